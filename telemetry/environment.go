package telemetry

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// What the variables of OpenTelemetry may say that we read ourselves; the libraries read
// the rest: endpoints, headers, certificates, samplers, batches, resources.
const (
	exporterOTLP = "otlp"
	exporterNone = "none"
	protocolHTTP = "http/protobuf"
	protocolGRPC = "grpc"
)

// FromEnvironment gives what makes spans and sends them by OTLP to where the environment
// variables of OpenTelemetry say, and the function that sends the last of them. If they
// name no place the provider is nil, unless OTEL_TRACES_EXPORTER asks for the default one.
func FromEnvironment(ctx context.Context) (p trace.TracerProvider, end func(context.Context) error, err error) {
	end = func(context.Context) error { return nil }
	wanted, err := wanted()
	if err != nil || !wanted {
		return nil, end, err
	}
	exporter, err := exporter(ctx)
	if err != nil {
		return nil, end, fmt.Errorf("telemetry: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(semconv.ServiceName(scope)),
		resource.WithFromEnv(), // last, as what it says goes before
	)
	if err != nil {
		return nil, end, fmt.Errorf("telemetry: the resource: %w", err)
	}
	sdkProvider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return sdkProvider, sdkProvider.Shutdown, nil
}

// wanted reports whether traces are to be sent.
func wanted() (bool, error) {
	if text := os.Getenv("OTEL_SDK_DISABLED"); text != "" {
		if disabled, err := strconv.ParseBool(text); err == nil && disabled {
			return false, nil
		}
	}
	switch name := os.Getenv("OTEL_TRACES_EXPORTER"); name {
	case exporterOTLP:
		return true, nil
	case exporterNone:
		return false, nil
	case "":
		endpoints := []string{os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")}
		return slices.ContainsFunc(endpoints, func(e string) bool { return e != "" }), nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: want %s or %s", name, exporterOTLP, exporterNone)
	}
}

func exporter(ctx context.Context) (sdk.SpanExporter, error) {
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", protocolHTTP:
		return otlptracehttp.New(ctx)
	case protocolGRPC:
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: want %s or %s", protocol, protocolHTTP, protocolGRPC)
}
