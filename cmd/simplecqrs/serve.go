package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"simplecqrs/node"
	"simplecqrs/saga"
	"simplecqrs/telemetry"
)

const serveSynopsis = `Runs roles until interrupted; what was begun is then finished and committed. A
second interrupt ends at once, and what was begun comes again at the next start.`

// serve runs roles until ctx ends, then finishes and commits what was begun.
func serve(ctx context.Context, args []string, out output) error {
	f := newFlags("serve", serveSynopsis)
	roles := define(f, "roles", nil, listOf(anything), "what this process does, `role,…` of "+
		strings.Join(node.AllRoles(saga.Default()), ",")+", or of those that -plan gives (default all)")
	planFile := planFlag(f)
	brokers, doors := kafkaFlags(f), guardFlags(f)
	mongo := define(f, "mongo", "mongodb://127.0.0.1:27017/simplecqrs", storeURI, "`URI` of the read store; used by the role sink, and by edge with -query mongo")
	listen := define(f, "listen", "127.0.0.1:8080", address, "`address` of the HTTP server: the edge in that role, health and metrics in any; port 0 takes a free one")
	data := f.String("data", "", "`directory` of the local tables, of one process alone; without one they are kept in memory and read anew at each start")
	query := define(f, "query", node.QueryMongo, oneOf(node.QueryMongo, node.QueryLocal), "`where` the edge answers queries from: mongo, or local for this process's own copy of the table")
	logs := logFlags(f)
	if err := parse(f, args, out); err != nil {
		return err
	}
	if err := doors.check(); err != nil {
		return refuse(f, err)
	}
	plan, err := node.PlanFile(*planFile)
	if err != nil {
		return err
	}
	if err := known(*roles, plan); err != nil {
		return refuse(f, err)
	}
	log, threshold := logs.open(out.log)
	traces, endTraces, err := telemetry.FromEnvironment(ctx, log)
	if err != nil {
		return err
	}
	defer endTraces()
	security, err := brokers.security()
	if err != nil {
		return err
	}
	guard, certificate, err := doors.open(ctx, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("the HTTP server: %w; another address can be given with -listen", err)
	}
	n, err := node.Start(ctx, node.Config{
		Roles: *roles, Brokers: *brokers.brokers, Security: security, Mongo: *mongo, Query: *query, DataDir: *data,
		Definition: plan.Definition, Participants: plan.Participants,
		Listener: listener, Guard: guard, TLS: certificate, PlainHTTP: *doors.plainHTTP, PublicURL: *doors.publicURL,
		Logger: log, LogLevel: threshold, Tracing: traces,
	})
	if err != nil {
		err = errors.Join(err, listener.Close())
		if ctx.Err() != nil {
			log.Info("interrupted before it served", slog.Any("error", err))
			return nil
		}
		return advised(err, *brokers.brokers)
	}
	log.Info("serving", slog.String("roles", strings.Join(n.Roles(), ",")), slog.String("listen", n.Addr().String()))
	if n.WaitReady(ctx) == nil {
		log.Info("ready")
	}
	context.AfterFunc(ctx, func() { log.Info("stopping; a second interrupt does not wait for what was begun") })
	err = n.Wait()
	log.Info("stopped")
	return err
}

// known refuses a role that the plan does not lead to.
func known(roles []string, p node.Plan) error {
	one := oneOf(node.AllRoles(p.Definition)...)
	for _, r := range roles {
		if _, err := one(r); err != nil {
			return fmt.Errorf("flag -roles: %w", err)
		}
	}
	return nil
}
