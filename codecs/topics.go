package codecs

// The topics. All have the same number of partitions and the order's id as key.
const (
	StoreOrder      = "store.order"      // the log of events
	ViewOrder       = "view.order"       // the aggregate's table
	SagaOrder       = "saga.order"       // the saga's table
	SagaTimers      = "saga.timers"      // deadlines that have passed, from the saga to itself
	DeadletterOrder = "deadletter.order" // records that could not be handled
)
