// Package rules runs topic rules: AWS IoT SQL, actions, error actions and dead letters. It imports sync/wire and internal
// packages only.
//
//	message ──► Engine ──► Query.Run ──result──► actions: a queue, or published again
//	                           │                   └──fails──► error action, with AWS's payload
//	                           └──error──► logged and counted
//
// A Query never changes; the Engine owns nothing but its counters.
package rules

// Rule is a topic rule.
type Rule struct {
	Name        string
	Description string
	SQL         string // as it was written
	Query       *Query
	Actions     []Action
	ErrorAction *Action // nil: none
	Disabled    bool
}

// Action is what a rule does with its result: it sends it to a queue, calls a function, or publishes it again.
type Action struct {
	Queue  string // logical id in the template; empty: Republish
	URL    string // of the queue
	Base64 bool   // the queue gets base64 text

	Topic *Topic
	QoS   byte

	Function string // ARN of a Lambda function; empty: none

	Role string // ARN of the role that allows it; a function has a permission instead
}

// kind is AWS's word in error payloads.
func (a *Action) kind() string {
	if a.Queue != "" {
		return "SqsAction"
	}
	if a.Function != "" {
		return "LambdaAction"
	}
	return "RepublishAction"
}
