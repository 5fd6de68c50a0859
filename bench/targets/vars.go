// Serves Go's expvar and has wrk ask for it over 16 connections, os.Args[1] seconds long: vars.c in Go.
package main

import (
	_ "expvar"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func number(text, pattern string) float64 {
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	value, err := strconv.ParseFloat(found[1], 64)
	check(err)
	return value
}

func look(url string) {
	answer, err := http.Get(url)
	check(err)
	body, err := io.ReadAll(answer.Body)
	check(err)
	found := 0
	if strings.Contains(string(body), "\n\"memstats\": {\"Alloc\":") {
		found = 1
	}
	fmt.Printf("memstats %d\nbytes %d\n", found, len(body))
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go http.Serve(listener, nil)
	url := "http://" + listener.Addr().String() + "/debug/vars"
	look(url)
	began := cpuSeconds()
	out, err := exec.Command("wrk", "-t1", "-c16", "-d"+os.Args[1]+"s", url).Output()
	check(err)
	text := string(out)
	wrong := strings.Count(text, "Non-2xx") + strings.Count(text, "Socket errors")
	requests := number(text, `(\d+) requests in`)
	fmt.Printf("rate %f\nwrong %d\n", number(text, `Requests/sec:\s+([\d.]+)`), wrong)
	fmt.Printf("cpu_us %f\n", (cpuSeconds()-began)/requests*1e6)
}
