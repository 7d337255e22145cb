// Which proxy Go takes, for a table of environments and servers: go run main.go > proxies.json
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

type row struct {
	Environment map[string]string `json:"environment"`
	Server      string            `json:"server"`
	// Scheme, host, port, user and password; one word where there is no proxy.
	Proxy string `json:"proxy"`
}

// Go reads the environment once in a process, so that each row has a process of its own.
func main() {
	if len(os.Args) == 2 {
		one(os.Args[1])
		return
	}
	var rows []row
	for _, each := range table() {
		command := exec.Command("/proc/self/exe", each.Server)
		command.Env = []string{}
		for name, value := range each.Environment {
			command.Env = append(command.Env, name+"="+value)
		}
		output, err := command.Output()
		if err != nil {
			panic(err)
		}
		each.Proxy = string(output)
		rows = append(rows, each)
	}
	var lines []string
	for _, each := range rows {
		line, err := json.Marshal(each)
		if err != nil {
			panic(err)
		}
		lines = append(lines, "  "+string(line))
	}
	fmt.Printf("[\n%s\n]\n", strings.Join(lines, ",\n"))
}

func one(server string) {
	request, err := http.NewRequest("GET", server, nil)
	if err != nil {
		panic(err)
	}
	proxy, err := http.ProxyFromEnvironment(request)
	if err != nil {
		fmt.Print("refused")
	} else if proxy == nil {
		fmt.Print("none")
	} else {
		port := proxy.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[proxy.Scheme]
		}
		password, _ := proxy.User.Password()
		fmt.Printf("%s %s %s %q %q", proxy.Scheme, proxy.Hostname(), port, proxy.User.Username(), password)
	}
}

func table() []row {
	var rows []row
	add := func(server string, pairs ...string) {
		environment := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			environment[pairs[i]] = pairs[i+1]
		}
		rows = append(rows, row{Environment: environment, Server: server})
	}
	const server = "https://api.example.com:6443/"
	// Which variable.
	for _, target := range []string{server, "http://api.example.com:8080/", "https://localhost:6443/", "https://LOCALHOST/", "https://sub.localhost/",
		"https://127.0.0.1:6443/", "https://127.9.9.9/", "https://[::1]:6443/", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/", "https://0.0.0.0/"} {
		add(target)
		add(target, "HTTPS_PROXY", "http://upper:1")
		add(target, "https_proxy", "http://lower:1")
		add(target, "HTTPS_PROXY", "http://upper:1", "https_proxy", "http://lower:1")
		add(target, "HTTPS_PROXY", "", "https_proxy", "http://lower:1")
		add(target, "HTTP_PROXY", "http://upper:1", "http_proxy", "http://lower:1")
		add(target, "HTTP_PROXY", "http://upper:1", "REQUEST_METHOD", "GET")
		add(target, "http_proxy", "http://lower:1", "REQUEST_METHOD", "GET")
		add(target, "HTTPS_PROXY", "http://upper:1", "REQUEST_METHOD", "GET")
		add(target, "ALL_PROXY", "http://all:1", "all_proxy", "http://all:2")
		add(target, "HTTPS_PROXY", "http://upper:1", "HTTP_PROXY", "http://plain:1", "NO_PROXY", "*")
	}
	// What a proxy's address may be.
	for _, proxy := range []string{"http://p", "http://p:3128", "https://p", "https://p:3129/", "socks5://p", "socks5h://p:1081", "p", "p:3128", "127.0.0.1:3128",
		"[::1]:3128", "[::1]", "http://[fd00::1]:3128", "http://ann:s%40c@p:1", "http://ann@p:1", "ann:secret@p:3128", "http://a@b:c@p:1", "HTTP://p:1", "ftp://p:1",
		"socks4://p:1", "//p:1", "http://p:1/path?x#y"} {
		add(server, "HTTPS_PROXY", proxy)
	}
	// Which servers are reached without.
	lists := []string{"example.com", ".example.com", "*.example.com", "api.example.com", ".api.example.com", "API.Example.COM", "ple.com", "com", "example.org",
		"api.example.com:6443", "api.example.com:443", "example.com:6443", ".example.com:6443", "*.example.com:6443", "api.example.com:", ":6443", " a , example.com ", "a,,b,", ",",
		"*", "a,*", "*,a", "*.*", "*example.com", "10.0.0.1", "10.0.0.2", "10.0.0.1:6443", "10.0.0.1:443", "10.0.0.0/8", "10.0.0.0/32", "10.0.0.0/0", "0.0.0.0/0", "10.0.0.0/33",
		"10.0.0.0/", "10.0.0.0/8:6443", "10.", "10.0.0", "fd00::1", "[fd00::1]", "[fd00::1]:6443", "[fd00::1]:443", "fd00::/8", "::/0", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "[::1",
		"api.example.com.", "https://api.example.com", "example.com example.org", "localhost"}
	for _, list := range lists {
		for _, target := range []string{server, "https://api.example.com/", "https://example.com/", "https://10.0.0.1:6443/", "https://[fd00::1]:6443/"} {
			add(target, "HTTPS_PROXY", "http://p:1", "NO_PROXY", list)
		}
	}
	add(server, "HTTPS_PROXY", "http://p:1", "NO_PROXY", "a", "no_proxy", "example.com")
	add(server, "HTTPS_PROXY", "http://p:1", "NO_PROXY", "", "no_proxy", "example.com")
	return rows
}
