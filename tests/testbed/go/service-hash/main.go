// Command service-hash computes the label service.beta.kubernetes.io/hash as the Cloud Controller Manager 2.14 does.
//
// It reads recorded cases on standard input, one JSON object a line, and prints each with the hash that CCM's
// libraries give for its Service. A file whose hashes are right comes out as it went in:
//
//	go run . < hashes.jsonl | cmp - hashes.jsonl
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// ignoredKey is the one key that CCM leaves out of the hash (CCM 2.14: pkg/util/hash/hash.go).
const ignoredKey = "alibabacloud.com/reconcile.hash"

// recordedCase is one line. Name and Service are printed as they were read; a hash that was read is not used.
type recordedCase struct {
	Name    json.RawMessage `json:"name"`
	Service json.RawMessage `json:"service"`
}

func main() {
	log.SetFlags(0)
	if err := run(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(in io.Reader, out io.Writer) error {
	reader, writer := bufio.NewReader(in), bufio.NewWriter(out)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := printCase(writer, line); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
		}
		if err == io.EOF {
			return writer.Flush()
		}
	}
}

func printCase(out io.Writer, line []byte) error {
	var read recordedCase
	if err := json.Unmarshal(line, &read); err != nil {
		return err
	}
	var service corev1.Service
	if err := json.Unmarshal(read.Service, &service); err != nil {
		return err
	}
	hash, err := serviceHash(&service)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "{\"hash\":%q,\"name\":%s,\"service\":%s}\n", hash, read.Name, read.Service)
	return err
}

// serviceHash hashes the fields that CCM compares (CCM 2.14: pkg/controller/helper/service_utils.go).
func serviceHash(service *corev1.Service) (string, error) {
	fields := []any{
		service.Spec.Ports,
		service.Spec.Type,
		service.Spec.ExternalTrafficPolicy,
		service.Spec.LoadBalancerClass,
		service.Annotations,
		service.DeletionTimestamp,
	}
	if service.Spec.LoadBalancerSourceRanges != nil {
		fields = append(fields, service.Spec.LoadBalancerSourceRanges)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return "", err
	}
	var values []any
	if err := json.Unmarshal(text, &values); err != nil {
		return "", err
	}
	// Where nothing is left this stays nil, which is written as null.
	var kept []any
	for _, value := range values {
		if dropZeroValues(value); !isZero(value) {
			kept = append(kept, value)
		}
	}
	// CCM ignores the error, and then hashes an empty text.
	document, _ := yaml.Marshal(kept)
	return fmt.Sprintf("%x", sha256.Sum224(document)), nil
}

// dropZeroValues removes zero values from maps at every depth. An element of an inner list stays, as in CCM.
func dropZeroValues(value any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			dropZeroValues(element)
		}
	case map[string]any:
		for key, element := range value {
			if key == ignoredKey || isZero(element) {
				delete(value, key)
			} else {
				dropZeroValues(element)
			}
		}
	}
}

func isZero(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case bool:
		return !value
	case float64:
		return value == 0
	case string:
		return value == ""
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	}
	return false
}
