// The same over and over, profiled by Go's own runtime: lockstep.c in Go.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"unsafe"
)

const (
	processClock = 2
	threadClock  = 3
	chunk        = 30000
)

var sink uint32

func clock(which uintptr) int64 {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, which, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

//go:noinline
func three(end int64) {
	for clock(threadClock) < end {
		hash := uint32(2166136261)
		for i := uint32(0); i < chunk; i++ {
			hash = (hash ^ i) * 16777619
		}
		sink = hash
	}
}

//go:noinline
func one(end int64) {
	for clock(threadClock) < end {
		hash := uint32(2166136261)
		for i := uint32(0); i < chunk; i++ {
			hash = (hash ^ i) * 16777619
		}
		sink = hash
	}
}

func main() {
	runtime.LockOSThread()
	hz, err := strconv.Atoi(os.Getenv("BENCH_HZ"))
	check(err)
	ms, err := strconv.ParseFloat(os.Args[1], 64)
	check(err)
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	check(err)
	file, err := os.Create(os.Getenv("BENCH_PROFILE"))
	check(err)
	if hz != 100 {
		runtime.SetCPUProfileRate(hz) // what StartCPUProfile then says of it on stderr is wrong
	}
	check(pprof.StartCPUProfile(file))
	cycle, inThree, inOne := int64(ms*1e6), int64(0), int64(0)
	before, begin := clock(processClock), clock(threadClock)
	end := begin + int64(seconds*1e9)
	for begin < end {
		three(begin + cycle*3/4)
		middle := clock(threadClock)
		one(begin + cycle)
		now := clock(threadClock)
		inThree += middle - begin
		inOne += now - middle
		if now > begin+2*cycle {
			begin = now
		} else {
			begin += cycle
		}
	}
	used := clock(processClock) - before
	pprof.StopCPUProfile()
	check(file.Close())
	fmt.Printf("cpu_ns %d\ntrue_share %.6f\n", used, float64(inThree)/float64(inThree+inOne))
}
