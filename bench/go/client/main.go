// The client of the grpc-go peer: client ADDRESS SECONDS. Does what bench/measuring/load.py and bench/processes/drive.py do, and prints the same JSON.
package main

import (
	"bench/echo"
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

const (
	warmUp  = 500
	timeout = 5 * time.Second
	subBits = 7 // as in bench/measuring/histogram.py
)

type window struct {
	InFlight int            `json:"in_flight"`
	Seconds  float64        `json:"seconds"`
	Latency  map[string]int `json:"latency"`
}

type result struct {
	Version string   `json:"version"`
	Windows []window `json:"windows"`
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func bucketOf(value uint64) int {
	shift := bits.Len64(value) - subBits - 1
	if shift < 0 {
		shift = 0
	}
	return shift<<subBits + int(value>>uint(shift))
}

func measure(call func() *echo.SayResponse, inFlight int, seconds float64) window {
	latencies := make([][]time.Duration, inFlight)
	var group sync.WaitGroup
	begun := time.Now()
	stop := begun.Add(time.Duration(seconds * float64(time.Second)))
	for i := 0; i < inFlight; i++ {
		group.Add(1)
		go func(own *[]time.Duration) {
			defer group.Done()
			for started := time.Now(); started.Before(stop); {
				call()
				ended := time.Now()
				*own = append(*own, ended.Sub(started))
				started = ended
			}
		}(&latencies[i])
	}
	group.Wait()
	elapsed := time.Since(begun).Seconds()
	counts := map[string]int{}
	for _, own := range latencies {
		for _, latency := range own {
			counts[strconv.Itoa(bucketOf(uint64(latency.Nanoseconds())))]++
		}
	}
	return window{InFlight: inFlight, Seconds: elapsed, Latency: counts}
}

func warm(call func() *echo.SayResponse, inFlight int) {
	var group sync.WaitGroup
	left := int64(warmUp)
	for i := 0; i < inFlight; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				answer := call()
				if answer.Id != "order-123456" || answer.N != 43 || answer.Text != "hi" {
					fail(fmt.Errorf("wrong answer: %v", answer))
				}
			}
		}()
	}
	group.Wait()
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		fail(err)
	}
	connection, err := grpc.Dial(os.Args[1], grpc.WithInsecure())
	if err != nil {
		fail(err)
	}
	client := echo.NewEchoServiceClient(connection)
	request := &echo.SayRequest{Id: "order-123456", N: 42, Tags: []string{"a", "b", "c"}}
	call := func() *echo.SayResponse {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		answer, err := client.Say(ctx, request)
		if err != nil {
			fail(err)
		}
		return answer
	}
	out := result{Version: "grpc-go " + grpc.Version + ", " + runtime.Version()}
	for _, inFlight := range []int{1, 64} {
		warm(call, inFlight)
		out.Windows = append(out.Windows, measure(call, inFlight, seconds))
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		fail(err)
	}
}
