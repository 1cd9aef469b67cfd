package stack

import (
	"slices"
	"strings"
)

// metrics are those of AWS's own that our alarms may watch, with their dimensions.
var metrics = map[string]map[string][]string{
	"AWS/SQS": {
		"ApproximateNumberOfMessagesVisible": {"QueueName"}, "ApproximateAgeOfOldestMessage": {"QueueName"},
		"ApproximateNumberOfMessagesNotVisible": {"QueueName"}, "NumberOfMessagesSent": {"QueueName"}, "NumberOfMessagesDeleted": {"QueueName"},
	},
	"AWS/IoT": {
		"TopicMatch": {"RuleName"}, "ParseError": {"RuleName"}, "RuleMessageThrottled": {"RuleName"}, "RuleNotFound": {"RuleName"},
	},
}

// readAlarm checks that what an alarm watches exists: an alarm on nothing stays silent for ever.
func (s *Stack) readAlarm(r *resolver, id, _ string, props node) error {
	namespace, metric := props.get("Namespace"), props.get("MetricName")
	dims, ok := metrics[namespace.str()][metric.str()]
	if !ok {
		return r.errorf(metric.line, "alarm %s: there is no metric %s in %s", id, metric.str(), namespace.str())
	}
	var have []string
	for _, d := range props.get("Dimensions").list() {
		name, value := d.get("Name").str(), d.get("Value")
		have = append(have, name)
		if !s.watched(r, name, value.str()) {
			return r.errorf(value.line, "alarm %s: there is no %s %q in the template", id, name, value.str())
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, dims) {
		return r.errorf(props.line, "alarm %s: %s has the dimensions %s", id, metric.str(), strings.Join(dims, ", "))
	}
	for _, k := range []string{"Threshold", "Statistic", "Period"} {
		if props.get(k).v == nil {
			return r.errorf(props.line, "alarm %s: %s is missing", id, k)
		}
	}
	return nil
}

// watched tells whether a dimension names something of the template.
func (s *Stack) watched(r *resolver, dimension, value string) bool {
	kind := map[string]string{"QueueName": "AWS::SQS::Queue", "RuleName": "AWS::IoT::TopicRule"}[dimension]
	if kind == "" {
		return false
	}
	return slices.ContainsFunc(r.order, func(id string) bool {
		res := r.resources[id]
		name, err := r.name(res)
		return err == nil && res.kind == kind && res.made && name == value
	})
}
