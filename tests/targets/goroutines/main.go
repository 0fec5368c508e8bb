// Command goroutines has 50 goroutines, timers and channels at work.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"
)

func chain(k, rounds int, pause time.Duration) [32]byte {
	sum := sha256.Sum256([]byte{byte(k)})
	for range rounds {
		sum = sha256.Sum256(sum[:])
		time.Sleep(pause)
	}
	return sum
}

func main() {
	const n, rounds = 50, 100
	var got [n][32]byte
	var wg sync.WaitGroup
	for k := range n {
		wg.Go(func() { got[k] = chain(k, rounds, 10*time.Millisecond) })
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	ticks := make(chan int)
	go func() {
		for n := 1; ; n++ {
			<-ticker.C
			ticks <- n
		}
	}()
	<-ticks
	must(os.WriteFile("ready", nil, 0o644))
	last := 1
	verdict := "pass\n"
	for {
		n := <-ticks
		if n != last+1 {
			verdict = fmt.Sprintf("tick %d after %d\nfail\n", n, last)
		}
		last = n
		if _, err := os.Stat("check"); err == nil {
			break
		}
	}
	wg.Wait()
	for k := range n {
		if got[k] != chain(k, rounds, 0) {
			verdict = fmt.Sprintf("goroutine %d computed something else\nfail\n", k)
		}
	}
	must(os.WriteFile("result", []byte(verdict), 0o644))
	if verdict != "pass\n" {
		os.Exit(1)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
