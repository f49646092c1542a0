package stream

import (
	"errors"

	"github.com/lovoo/goka"
)

// failing makes a handler's own Fail stop it at all times. goka's returns when the
// generation is ending, upon which the callback runs on and its record is committed
// although it failed. goka recovers the panic and ends the processor. The Fail that
// goka's other methods call is not this one: see owned for those.
//
// What is written through it goes on with the trace of the record, see [Traced].
type failing struct {
	gokaContext
	lanes  *lanes  // nil: none
	timers *timers // nil: none
	tracer *tracer
	part   *part // nil: the record is part of no trace
}

// gokaContext is an alias, as embedding goka.Context itself would hide its
// method Context.
type gokaContext = goka.Context

func (failing) Fail(err error) { panic(err) }

var errPanicked = errors.New("the handler panicked")

func (c failing) Emit(topic goka.Stream, key string, value any, options ...goka.ContextOption) {
	c.gokaContext.Emit(topic, key, value, c.part.option(options)...)
}

func (c failing) Loopback(key string, value any, options ...goka.ContextOption) {
	c.gokaContext.Loopback(key, value, c.part.option(options)...)
}

func (c failing) SetValue(value any, options ...goka.ContextOption) {
	if c.part != nil {
		c.timers.within(c.part.ctx, c.Partition(), c.Key())
	}
	c.gokaContext.SetValue(value, c.part.option(options)...)
}

func (c failing) Delete(options ...goka.ContextOption) {
	c.gokaContext.Delete(c.part.option(options)...)
}

func failForGood(l *lanes, timers *timers, t *tracer) func(goka.Context) goka.Context {
	return func(ctx goka.Context) goka.Context {
		return failing{gokaContext: ctx, lanes: l, timers: timers, tracer: t}
	}
}
