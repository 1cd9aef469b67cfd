package rules

import (
	"errors"
	"testing"
	"time"
)

func TestSQL(t *testing.T) {
	in := RuleInput{Topic: "c/u1", ClientID: "u1", Payload: []byte(`{"a":{"b":7},"c":"x","big":9007199254740993}`), At: time.UnixMilli(1234)}
	for _, tc := range []struct{ sql, want string }{
		{`SELECT * FROM 'c/+'`, `{"a":{"b":7},"big":9007199254740993,"c":"x"}`},
		{`select topic(2) as thing, topic() as t, timestamp() as at, clientid() as id from 'c/+'`, `{"at":1234,"id":"u1","t":"c/u1","thing":"u1"}`},
		{`SELECT a.b AS n, c, 'text' AS s, 1.5 AS f`, `{"c":"x","f":1.5,"n":7,"s":"text"}`},
		{`SELECT nothing.there AS n, topic(9) AS t, 1 AS one`, `{"one":1}`},
		{`SELECT *, topic(2) AS c FROM 'x'`, `{"a":{"b":7},"big":9007199254740993,"c":"u1"}`},
	} {
		q, err := ParseQuery(tc.sql)
		if err != nil {
			t.Fatalf("%s: %v", tc.sql, err)
		}
		got, err := q.Run(in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.sql, got, err, tc.want)
		}
	}
	q, err := ParseQuery(`SELECT *, topic(2) AS thing FROM 'c/+'`)
	if err != nil {
		t.Fatal(err)
	}
	in.Payload = []byte(`[{"a":1}]`)
	if got, err := q.Run(in); !errors.Is(err, errNotObject) {
		t.Errorf("SELECT * on an array made %s", got)
	}
	for _, bad := range []string{
		"", "SELECT", "SELECT FROM 'x'", "SELECT topic(2) FROM 'x'", "SELECT * FROM x", "SELECT * FROM 'x", "SELECT * FROM ''", "SELECT a AS b, c AS b",
		"SELECT topic(0) AS t", "SELECT encode(*, 'hex') AS x", "SELECT md5(a) AS x", "SELECT VALUE a, b FROM 'x'",
		"SELECT a AS b, * FROM 'x'", "SELECT * FROM 'x';", "SELECT a..b AS c", "DELETE FROM 'x'", "SELECT 00 AS a", "SELECT 1. AS a",
	} {
		_, err := ParseQuery(bad)
		var e *SQLError
		if !errors.As(err, &e) || e.At < 1 || e.At > len(bad)+1 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzSQL(f *testing.F) {
	f.Add("SELECT *, topic(2) AS thing, timestamp() AS received_ms FROM 'c/+'", []byte(`{"a":1}`))
	f.Add("SELECT encode(*, 'base64') AS batch, 1.5 AS x, a.b.c", []byte(`[]`))
	f.Fuzz(func(t *testing.T, sql string, payload []byte) {
		q, err := ParseQuery(sql)
		if err != nil {
			var e *SQLError
			if !errors.As(err, &e) || e.At < 1 || e.At > len(sql)+1 {
				t.Fatalf("error without place: %v", err)
			}
			return
		}
		if _, err := q.Run(RuleInput{Topic: "c/u1", Payload: payload}); err != nil && !errors.Is(err, errNotObject) {
			t.Fatalf("%q ran into %v", sql, err)
		}
	})
}
