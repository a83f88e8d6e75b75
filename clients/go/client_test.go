package stockroom

import (
	"os"
	"testing"
)

func TestAnAddressIsHostAndPortOrURL(t *testing.T) {
	cases := []struct {
		address, target string
		secure          bool
	}{
		{"127.0.0.1:50051", "127.0.0.1:50051", false},
		{"http://127.0.0.1:50051", "127.0.0.1:50051", false},
		{"https://stockroom.example", "stockroom.example:443", true},
		{"https://[::1]:8443/", "[::1]:8443", true},
		{"dns:///stockroom:50051", "dns:///stockroom:50051", false},
	}
	for _, c := range cases {
		target, secure, err := parseAddress(c.address)
		if target != c.target || secure != c.secure || err != nil {
			t.Errorf("%s: %s, %t, %v", c.address, target, secure, err)
		}
	}
	for _, address := range []string{"", "http://", "https://host/path"} {
		if _, err := Connect(address); err == nil {
			t.Errorf("%q is accepted", address)
		}
	}
}

func TestTheServiceConfigIsTheSharedOne(t *testing.T) {
	shared, err := os.ReadFile("../service-config.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(shared) != serviceConfig {
		t.Error("clients/go/service-config.json differs from clients/service-config.json")
	}
}
