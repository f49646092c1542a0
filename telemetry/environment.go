package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

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
//
// That a place is away is logged, once, and does no harm: what waits for it is bounded.
func FromEnvironment(ctx context.Context, log *slog.Logger) (p trace.TracerProvider, end func(), err error) {
	end = func() {}
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
	made := sdk.NewTracerProvider(sdk.WithBatcher(&told{SpanExporter: exporter, log: log}), sdk.WithResource(about))
	return made, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		if err := made.Shutdown(ctx); err != nil {
			log.Warn("the last traces were not sent", slog.Any("error", err))
		}
	}, nil
}

// endTime bounds the wait for the last spans to be sent.
const endTime = 5 * time.Second

// told is an exporter whose failures are logged, each time that they begin and end.
type told struct {
	sdk.SpanExporter
	log  *slog.Logger
	away atomic.Bool
}

// ExportSpans implements sdk.SpanExporter. What cannot be sent is dropped.
func (x *told) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := x.SpanExporter.ExportSpans(ctx, spans)
	switch failed := err != nil; {
	case x.away.Swap(failed) == failed:
	case failed:
		x.log.Warn("traces cannot be sent, and are dropped", slog.Any("error", err))
	default:
		x.log.Warn("traces are sent again")
	}
	return nil
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
