package control

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// shadowOf names the shadow of a request after asking whether the caller may do act with it.
func (c *Control) shadowOf(r *request, act policy.Action) (thing, name string, err error) {
	thing, name = r.PathValue("thingName"), r.query("name")
	resource := thing
	if name != "" {
		resource += "/" + name
	}
	return thing, name, r.may(act, resource)
}

func (c *Control) getShadow(r *request) (any, error) {
	thing, name, err := c.shadowOf(r, policy.GetShadow)
	if err != nil {
		return nil, err
	}
	b, err := c.cfg.Shadows.Get(r.Context(), thing, name)
	return raw(b), err
}

func (c *Control) updateShadow(r *request) (any, error) {
	thing, name, err := c.shadowOf(r, policy.UpdateShadow)
	if err != nil {
		return nil, err
	}
	b, err := c.cfg.Shadows.Update(r.Context(), thing, name, r.body)
	return raw(b), err
}

func (c *Control) deleteShadow(r *request) (any, error) {
	thing, name, err := c.shadowOf(r, policy.DeleteShadow)
	if err != nil {
		return nil, err
	}
	b, err := c.cfg.Shadows.Delete(r.Context(), thing, name)
	return raw(b), err
}

func (c *Control) listNamedShadows(r *request) (any, error) {
	thing := r.PathValue("thingName")
	if err := r.may(policy.ListNamedShadows, thing); err != nil {
		return nil, err
	}
	n, err := r.number("pageSize", 0, 1, 100)
	if err != nil {
		return nil, err
	}
	return c.cfg.Shadows.ListNamedShadows(r.Context(), thing, r.query("nextToken"), int(n))
}

func (c *Control) publish(r *request) (any, error) {
	qos, err := r.number("qos", 0, 0, 1)
	if err != nil {
		return nil, err
	}
	retain, err := r.flag("retain")
	if err != nil {
		return nil, err
	}
	m := broker.Message{Topic: r.PathValue("topic"), Payload: r.body, QoS: byte(qos), Retain: retain, Time: time.Now()}
	if m.Properties, err = r.properties(); err != nil {
		return nil, err
	}
	if err := c.cfg.Broker.Inject(r.Context(), r.certificateID, m); err != nil {
		return nil, err
	}
	return obj{"message": "OK", "traceId": uuid.NewString()}, nil
}

// properties reads those of MQTT 5.
func (r *request) properties() (p broker.Properties, err error) {
	p.ContentType, p.ResponseTopic = r.query("contentType"), r.query("responseTopic")
	seconds, err := r.number("messageExpiry", 0, 1, 604800)
	if err != nil {
		return p, err
	}
	p.Expiry = time.Duration(seconds) * time.Second
	switch v := r.Header.Get("x-amz-mqtt5-payload-format-indicator"); v {
	case "":
	case "UNSPECIFIED_BYTES":
		p.Format = new(byte)
	case "UTF8_DATA":
		one := byte(1)
		p.Format = &one
	default:
		return p, invalid("payloadFormatIndicator %q is neither UNSPECIFIED_BYTES nor UTF8_DATA", v)
	}
	if v := r.Header.Get("x-amz-mqtt5-correlation-data"); v != "" {
		if p.CorrelationData, err = base64.StdEncoding.DecodeString(v); err != nil {
			return p, invalid("correlationData is not base64")
		}
	}
	if v := r.Header.Get("x-amz-mqtt5-user-properties"); v != "" {
		if p.User, err = userProperties(v); err != nil {
			return p, err
		}
	}
	return p, nil
}

// userProperties reads base64 of [{"name":"value"}, …].
func userProperties(v string) (out []broker.UserProperty, err error) {
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return nil, invalid("userProperties are not base64")
	}
	var text string
	if json.Unmarshal(b, &text) == nil { // SDKs encode a text that is JSON already once more
		b = []byte(text)
	}
	var all []map[string]string
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, invalid("userProperties are no list of objects: %v", err)
	}
	for _, m := range all {
		for k, v := range m {
			out = append(out, broker.UserProperty{Name: k, Value: v})
		}
	}
	return out, nil
}

func (c *Control) getRetained(r *request) (any, error) {
	topic := r.PathValue("topic")
	if err := r.may(policy.GetRetained, topic); err != nil {
		return nil, err
	}
	m, err := c.cfg.Broker.Retained(r.Context(), topic)
	if errors.Is(err, store.ErrNotFound) {
		return nil, absent("There is no retained message on topic %s", topic)
	}
	if err != nil {
		return nil, err
	}
	o := obj{"topic": m.Topic, "payload": m.Payload, "qos": m.QoS, "lastModifiedTime": m.Time.UnixMilli()}
	if len(m.User) > 0 {
		var all []map[string]string
		for _, p := range m.User {
			all = append(all, map[string]string{p.Name: p.Value})
		}
		o["userProperties"] = []byte(encode(all))
	}
	return o, nil
}

func (c *Control) listRetained(r *request) (any, error) {
	if err := r.may(policy.ListRetained, ""); err != nil {
		return nil, err
	}
	n, err := r.number("maxResults", 200, 1, 200)
	if err != nil {
		return nil, err
	}
	after, err := r.after("nextToken")
	if err != nil {
		return nil, err
	}
	found, err := c.cfg.Broker.RetainedAfter(r.Context(), after, int(n)+1)
	if err != nil {
		return nil, err
	}
	token := ""
	if len(found) > int(n) {
		found = found[:n]
		token = pageToken(found[n-1].Topic)
	}
	var out []obj
	for _, m := range found {
		out = append(out, obj{"topic": m.Topic, "payloadSize": len(m.Payload), "qos": m.QoS, "lastModifiedTime": m.Time.UnixMilli()})
	}
	return list("retainedTopics", out, "nextToken", token), nil
}

func (c *Control) deleteConnection(r *request) (any, error) {
	id := r.PathValue("clientId")
	if r.certificateID != "" {
		return nil, forbidden("a device cannot end connections")
	}
	if err := wire.CheckClientID(id); err != nil || strings.HasPrefix(id, "$") {
		return nil, invalid("%q is no client id", id)
	}
	clean, err := r.flag("cleanSession")
	if err != nil {
		return nil, err
	}
	prevent, err := r.flag("preventWillMessage")
	if err != nil {
		return nil, err
	}
	if !c.cfg.Broker.Disconnect(id, clean, prevent) {
		return nil, absent("Client %s is not connected", id)
	}
	return nil, nil
}
