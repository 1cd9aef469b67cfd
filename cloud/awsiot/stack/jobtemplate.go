package stack

import (
	"encoding/json"
	"strings"

	"fountain/cloud/awsiot/jobs"
)

func (s *Stack) readJobTemplate(r *resolver, id, name string, props node) error {
	given := 0
	for _, k := range []string{"Document", "DocumentSource", "JobArn"} {
		if props.get(k).v != nil {
			given++
		}
	}
	doc := props.get("Document")
	switch {
	case given != 1:
		return r.errorf(props.line, "job template %s: give one of Document, DocumentSource and JobArn", name)
	case doc.v == nil:
		return r.errorf(props.line, "job template %s: only Document is understood by the local cloud", name)
	}
	b, err := json.Marshal(restForm(types["AWS::IoT::JobTemplate"].props, props))
	if err != nil {
		return r.errorf(props.line, "job template %s: %v", name, err)
	}
	var t jobs.Template
	if err := json.Unmarshal(b, &t); err != nil {
		return r.errorf(props.line, "job template %s: %v", name, err)
	}
	if err := t.Check(); err != nil {
		return r.errorf(doc.line, "job template %s: %v", name, err)
	}
	s.JobTemplates[name] = t
	return nil
}

// otherwiseInREST are the properties that AWS's REST interface calls something else than CloudFormation does.
var otherwiseInREST = map[string]string{"ExponentialRolloutRate": "exponentialRate", "RetryCriteriaList": "criteriaList"}

// restForm turns properties into the shape of AWS's REST interface: names begin with a small letter, numbers are numbers.
func restForm(s *schema, n node) any {
	switch s.kind {
	case kindObject:
		out := map[string]any{}
		for _, k := range n.keys {
			name, ok := otherwiseInREST[k]
			if !ok {
				name = lowerFirst(k)
			}
			out[name] = restForm(s.props[k], n.get(k))
		}
		return out
	case kindList:
		out := []any{}
		for _, it := range n.list() {
			out = append(out, restForm(s.item, it))
		}
		return out
	case kindInteger, kindNumber:
		return json.Number(n.str())
	}
	return n.plain()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
