package rules

// Rule is a topic rule with SQS actions.
type Rule struct {
	Name       string
	Query      *Query
	Queues     []string // logical ids
	ErrorQueue string
	Disabled   bool
}
