// Command event-correlator says what becomes of events before they are written, as in the Cloud Controller Manager 2.14,
// which is built with client-go 0.28.
//
// It reads recorded events on standard input, one JSON object a line, and prints each with what client-go's correlator
// makes of it. Events of one sequence follow each other, and each sequence has a correlator of its own. A file whose
// results are right comes out as it went in:
//
//	go run . < events.jsonl | cmp - events.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"
)

// component is CCM's name in its events.
const component = "service-controller"

// recordedEvent is one line. A result that was read is not used.
type recordedEvent struct {
	Sequence string `json:"sequence"`
	// At is the time, in milliseconds since 1970.
	At      int64    `json:"at"`
	Service string   `json:"service"`
	UID     string   `json:"uid"`
	Type    string   `json:"type"`
	Reason  string   `json:"reason"`
	Message string   `json:"message"`
	Written *written `json:"written"`
}

// written is what is written of an event; null if it is dropped.
type written struct {
	Name    string `json:"name"`
	Count   int32  `json:"count"`
	First   int64  `json:"first"`
	Message string `json:"message"`
}

func main() {
	log.SetFlags(0)
	if err := run(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(in io.Reader, out io.Writer) error {
	decoder, writer := json.NewDecoder(in), bufio.NewWriter(out)
	encoder := json.NewEncoder(writer)
	var sequence string
	var clock *clocktesting.FakePassiveClock
	var correlator *record.EventCorrelator
	for number := 1; ; number++ {
		var event recordedEvent
		switch err := decoder.Decode(&event); {
		case errors.Is(err, io.EOF):
			return writer.Flush()
		case err != nil:
			return fmt.Errorf("event %d: %w", number, err)
		}
		now := time.UnixMilli(event.At)
		if correlator == nil || event.Sequence != sequence {
			sequence, clock = event.Sequence, clocktesting.NewFakePassiveClock(now)
			correlator = record.NewEventCorrelator(clock)
		}
		clock.SetTime(now)
		result, err := correlator.EventCorrelate(event.object(now))
		if err != nil {
			return fmt.Errorf("event %d: %w", number, err)
		}
		event.Written = nil
		if !result.Skip {
			// What the API server answers.
			correlator.UpdateState(result.Event)
			event.Written = &written{
				Name:    result.Event.Name,
				Count:   result.Event.Count,
				First:   result.Event.FirstTimestamp.UnixMilli(),
				Message: result.Event.Message,
			}
		}
		if err := encoder.Encode(event); err != nil {
			return err
		}
	}
}

// object is the event as client-go's recorder makes it (tools/record/event.go: makeEvent).
func (event *recordedEvent) object(now time.Time) *corev1.Event {
	reference := corev1.ObjectReference{
		Kind: "Service", APIVersion: "v1", Namespace: "shop", Name: event.Service, UID: types.UID(event.UID),
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name:      fmt.Sprintf("%v.%x", event.Service, now.UnixNano()),
			Namespace: reference.Namespace,
		},
		InvolvedObject:      reference,
		Type:                event.Type,
		Reason:              event.Reason,
		Message:             event.Message,
		Count:               1,
		FirstTimestamp:      metav1.NewTime(now),
		LastTimestamp:       metav1.NewTime(now),
		Source:              corev1.EventSource{Component: component},
		ReportingController: component,
	}
}
