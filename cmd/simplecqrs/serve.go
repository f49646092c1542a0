package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"simplecqrs/node"
	"simplecqrs/saga"
)

// serve runs roles until ctx ends, then finishes and commits what was begun.
func serve(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	all := node.AllRoles(saga.Default())
	roles := list(all)
	f.Var(&roles, "roles", "what this process does, any of "+strings.Join(all, ","))
	brokers := brokersFlag(f)
	mongo := f.String("mongo", "mongodb://127.0.0.1:27017/simplecqrs", "`URI` of the read store")
	listen := f.String("listen", "127.0.0.1:8080", "`address` of the HTTP server: the edge, health and metrics")
	data := f.String("data", "", "`directory` of the local tables; without one they are kept in memory and read anew at each start")
	query := f.String("query", node.QueryMongo, "where queries are answered from: mongo, or local for this process's own copy of the table")
	verbose := f.Bool("v", false, "log what goka does, too")
	if err := parse(f, args); err != nil {
		return err
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	n, err := node.Start(ctx, node.Config{
		Roles: roles, Brokers: *brokers, Mongo: *mongo, Query: *query, DataDir: *data,
		Listener: listener, Logger: log,
	})
	if err != nil {
		return err
	}
	log.Info("serving", slog.String("roles", roles.String()), slog.String("listen", n.Addr().String()))
	err = n.Wait()
	log.Info("stopped")
	return err
}
