// toxiproxy, for tests in which what the engine speaks with is slow, falls silent, or loses an answer: its server, as its own command
// starts it, at the port that it is given.
package main

import (
	"os"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func main() {
	logger := zerolog.New(os.Stderr).Level(zerolog.WarnLevel)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), logger)
	server.Listen("127.0.0.1", os.Args[1])
}
