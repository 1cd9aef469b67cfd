package jobs

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fountain/sync/wire"
)

// Limits of jobs (spec/awsiot.md 3, the API reference and the service quotas).
const (
	maxTargets     = 100
	maxDescription = 2028
	maxComment     = 2028
	maxReasonCode  = 128
	maxPerMinute   = 1000
	maxTimeout     = 7 * 24 * 60 // minutes
	maxRetries     = 10
	minExpiry      = 60 // seconds
	maxExpiry      = 3600
	maxSource      = 1350
	maxTags        = 50
)

// checker collects what is wrong with a request, in the words of AWS's validation.
type checker struct{ faults []string }

func (c *checker) fault(value any, place, constraint string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf("Value '%v' at '%s' failed to satisfy constraint: %s", value, place, fmt.Sprintf(constraint, args...)))
}

func (c *checker) missing(place string) {
	c.faults = append(c.faults, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", place))
}

// number checks an optional number.
func (c *checker) number(v *int64, place string, least, most int64) {
	switch {
	case v == nil:
	case *v < least:
		c.fault(*v, place, "Member must have value greater than or equal to %d", least)
	case *v > most:
		c.fault(*v, place, "Member must have value less than or equal to %d", most)
	}
}

// needed checks a number that must be there.
func (c *checker) needed(v *int64, place string, least, most int64) {
	if v == nil {
		c.missing(place)
		return
	}
	c.number(v, place, least, most)
}

// decimal checks a number with so many digits after the point.
func (c *checker) decimal(v *float64, place string, least, most float64, digits int) {
	if v == nil {
		c.missing(place)
		return
	}
	scaled := *v * math.Pow10(digits)
	switch {
	case math.IsNaN(*v) || *v < least:
		c.fault(*v, place, "Member must have value greater than or equal to %v", least)
	case *v > most:
		c.fault(*v, place, "Member must have value less than or equal to %v", most)
	case math.Abs(scaled-math.Round(scaled)) > 1e-6:
		c.fault(*v, place, "Member must have at most %d digit(s) after the decimal point", digits)
	}
}

func (c *checker) oneOf(v, place string, set ...string) {
	if !slices.Contains(set, v) {
		c.fault(v, place, "Member must satisfy enum value set: [%s]", strings.Join(set, ", "))
	}
}

// text checks a text without control characters.
func (c *checker) text(v, place string, most int) {
	switch {
	case utf8.RuneCountInString(v) > most:
		c.fault(v, place, "Member must have length less than or equal to %d", most)
	case strings.ContainsFunc(v, func(r rune) bool { return unicode.Is(unicode.C, r) }) || !utf8.ValidString(v):
		c.fault(v, place, `Member must satisfy regular expression pattern: [^\p{C}]+`)
	}
}

func (c *checker) err() error {
	switch len(c.faults) {
	case 0:
		return nil
	case 1:
		return invalid("1 validation error detected: %s", c.faults[0])
	}
	return invalid("%d validation errors detected: %s", len(c.faults), strings.Join(c.faults, "; "))
}

func invalid(format string, args ...any) *Error {
	return &Error{Code: "InvalidRequestException", Status: 400, Message: fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) *Error {
	return &Error{Code: "ResourceNotFoundException", Status: 404, Message: fmt.Sprintf(format, args...)}
}

func noTransition(format string, args ...any) *Error {
	return &Error{Code: "InvalidStateTransitionException", Status: 409, Message: fmt.Sprintf(format, args...)}
}

func tooMany(format string, args ...any) *Error {
	return &Error{Code: "LimitExceededException", Status: 410, Message: fmt.Sprintf(format, args...)}
}

func (c *checker) settings(s *Settings) {
	c.text(s.Description, "description", maxDescription)
	if p := s.Presigned; p != nil {
		c.number(p.ExpiresInSec, "presignedUrlConfig.expiresInSec", minExpiry, maxExpiry)
		if p.RoleARN != "" && (len(p.RoleARN) < 20 || len(p.RoleARN) > 2048 || !strings.HasPrefix(p.RoleARN, "arn:")) {
			c.fault(p.RoleARN, "presignedUrlConfig.roleArn", "Member must be the ARN of a role, 20 to 2048 characters")
		}
	}
	if r := s.Rollout; r != nil {
		c.rollout(r)
	}
	if a := s.Abort; a != nil {
		c.abort(a)
	}
	if t := s.Timeout; t != nil {
		c.number(t.InProgressMinutes, "timeoutConfig.inProgressTimeoutInMinutes", 1, maxTimeout)
	}
	if r := s.Retry; r != nil {
		c.retry(r)
	}
}

func (c *checker) rollout(r *RolloutConfig) {
	const at = "jobExecutionsRolloutConfig."
	c.number(r.MaximumPerMinute, at+"maximumPerMinute", 1, maxPerMinute)
	e := r.Exponential
	if e == nil {
		return
	}
	c.needed(e.BaseRatePerMinute, at+"exponentialRate.baseRatePerMinute", 1, maxPerMinute)
	c.decimal(e.IncrementFactor, at+"exponentialRate.incrementFactor", 1.1, 5, 1)
	switch k := e.Criteria; {
	case k == nil, k.Notified == nil && k.Succeeded == nil:
		c.missing(at + "exponentialRate.rateIncreaseCriteria")
	default:
		c.number(k.Notified, at+"exponentialRate.rateIncreaseCriteria.numberOfNotifiedThings", 1, math.MaxInt32)
		c.number(k.Succeeded, at+"exponentialRate.rateIncreaseCriteria.numberOfSucceededThings", 1, math.MaxInt32)
	}
	if e.BaseRatePerMinute != nil && r.MaximumPerMinute != nil && *e.BaseRatePerMinute > *r.MaximumPerMinute {
		c.fault(*e.BaseRatePerMinute, at+"exponentialRate.baseRatePerMinute", "Member must not be above maximumPerMinute")
	}
}

func (c *checker) abort(a *AbortConfig) {
	if len(a.Criteria) == 0 {
		c.fault("[]", "abortConfig.criteriaList", "Member must have length greater than or equal to 1")
	}
	for i, k := range a.Criteria {
		at := fmt.Sprintf("abortConfig.criteriaList.%d.member.", i+1)
		c.oneOf(k.FailureType, at+"failureType", wire.JobFailed, wire.JobRejected, wire.JobTimedOut, failureAll)
		c.oneOf(k.Action, at+"action", "CANCEL")
		c.decimal(k.Threshold, at+"thresholdPercentage", 0.01, 100, 2)
		c.needed(k.MinExecuted, at+"minNumberOfExecutedThings", 1, math.MaxInt32)
	}
}

// failureAll stands for every kind of failure.
const failureAll = "ALL"

func (c *checker) retry(r *RetryConfig) {
	const list = "jobExecutionsRetryConfig.criteriaList"
	if len(r.Criteria) < 1 || len(r.Criteria) > 2 {
		c.fault(len(r.Criteria), list, "Member must have length between 1 and 2")
	}
	seen := map[string]bool{}
	for i, k := range r.Criteria {
		at := fmt.Sprintf("%s.%d.member.", list, i+1)
		c.oneOf(k.FailureType, at+"failureType", wire.JobFailed, wire.JobTimedOut, failureAll)
		c.needed(k.Retries, at+"numberOfRetries", 0, maxRetries)
		if seen[k.FailureType] || len(r.Criteria) > 1 && k.FailureType == failureAll {
			c.fault(k.FailureType, at+"failureType", "Member must not repeat or go with ALL")
		}
		seen[k.FailureType] = true
	}
}

func checkID(id string) error {
	if wire.CheckJobID(id) != nil {
		c := checker{}
		c.fault(id, "jobId", "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+ and have length between 1 and %d", wire.MaxJobID)
		return c.err()
	}
	return nil
}

// checkDocument checks a document as it is given, with its placeholders.
func checkDocument(doc string, p *PresignedURL) error {
	if len(doc) > wire.MaxJobDocument {
		c := checker{}
		c.fault(fmt.Sprintf("%d bytes", len(doc)), "document", "Member must have length less than or equal to %d", wire.MaxJobDocument)
		return c.err()
	}
	if !json.Valid([]byte(doc)) {
		return invalid("The job document is not valid JSON")
	}
	if !strings.HasPrefix(strings.TrimLeft(doc, " \t\r\n"), "{") {
		return invalid("The job document must be a JSON object")
	}
	marks, err := placeholders(doc)
	if err != nil {
		return err
	}
	if len(marks) > maxPlaceholders {
		return invalid("The job document holds %d placeholders, at most %d are allowed", len(marks), maxPlaceholders)
	}
	if len(marks) > 0 && (p == nil || p.RoleARN == "") {
		return invalid("presignedUrlConfig.roleArn is needed: the job document holds placeholders of presigned URLs")
	}
	return nil
}

// checkDetails checks the status details of an execution.
func checkDetails(d map[string]string) error {
	if len(d) > wire.MaxStatusDetails {
		return fmt.Errorf("statusDetails has %d pairs, at most %d are allowed", len(d), wire.MaxStatusDetails)
	}
	for k, v := range d {
		switch {
		case k == "" || utf8.RuneCountInString(k) > wire.MaxDetailKey || wire.CheckThing(k) != nil:
			return fmt.Errorf("statusDetails key '%s' does not match [a-zA-Z0-9:_-]{1,%d}", k, wire.MaxDetailKey)
		case v == "" || utf8.RuneCountInString(v) > wire.MaxDetailValue:
			return fmt.Errorf("statusDetails value of '%s' has %d characters, 1 to %d are allowed", k, utf8.RuneCountInString(v), wire.MaxDetailValue)
		case strings.ContainsFunc(v, func(r rune) bool { return unicode.Is(unicode.C, r) }):
			return fmt.Errorf("statusDetails value of '%s' holds control characters", k)
		}
	}
	return nil
}
