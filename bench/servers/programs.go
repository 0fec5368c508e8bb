package servers

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

//go:embed programs
var programs embed.FS

// program writes one of our own programs into a server's directory.
func program(i *Instance, name string) (string, error) {
	b, err := programs.ReadFile("programs/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(i.Dir, name)
	return path, os.WriteFile(path, b, 0o644)
}

// interpreted is a server that is one of our own programs in a language of its own; it takes
// a port, a number of items and MiB of memory to hold.
func interpreted(name string, rate float64, mib int, source string, line ...string) *Server {
	return &Server{
		Name: name, Rate: rate, Clients: 4, MiB: mib, programs: line[:1], client: newHTTPClient, check: checkHTTP,
		command: func(i *Instance) (*exec.Cmd, error) {
			path, err := program(i, source)
			if err != nil {
				return nil, err
			}
			args := append(line[1:len(line):len(line)], path, strconv.Itoa(i.Port), strconv.Itoa(httpItems), strconv.Itoa(i.MiB))
			return exec.Command(line[0], args...), nil
		},
	}
}

var (
	javaServer  = interpreted("java", 1000, 256, "Server.java", "java", "-Xmx1g", "-Dsun.net.httpserver.nodelay=true")
	nodeServer  = interpreted("node", 1000, 256, "server.js", "node")
	numpyServer = withLibrary(interpreted("numpy", 300, 256, "server.py", "/usr/bin/python3"), // the one that the packages are for
		"/usr/bin/python3", "-c", "import numpy")
)

// withLibrary is s, which needs what makes a command succeed.
func withLibrary(s *Server, command ...string) *Server {
	s.library = command
	return s
}

// goServer is this very program, as "fastcr-bench serve".
var goServer = &Server{
	Name: "go", Rate: 2000, Clients: 8, MiB: 512, client: newHTTPClient, check: checkHTTP,
	command: func(i *Instance) (*exec.Cmd, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return exec.Command(self, "serve", strconv.Itoa(i.Port), strconv.Itoa(httpItems), strconv.Itoa(i.MiB)), nil
	},
}

// nginxServer serves files.
var nginxServer = &Server{
	Name: "nginx", Rate: 5000, Clients: 8, programs: []string{"nginx"}, client: newHTTPClient, check: checkFiles,
	command: func(i *Instance) (*exec.Cmd, error) {
		path, err := lookPath("nginx")
		if err != nil {
			return nil, err
		}
		items := filepath.Join(i.Dir, "www", "item")
		if err := os.MkdirAll(items, 0o755); err != nil {
			return nil, err
		}
		for n := range uint64(httpItems) {
			if err := os.WriteFile(filepath.Join(items, strconv.FormatUint(n, 10)), fmt.Appendf(nil, "%d:%d\n", n, value(n)), 0o644); err != nil {
				return nil, err
			}
		}
		conf := fmt.Sprintf(nginxConf, i.Dir, i.Port)
		if err := os.WriteFile(filepath.Join(i.Dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
			return nil, err
		}
		return exec.Command(path, "-p", i.Dir, "-c", filepath.Join(i.Dir, "nginx.conf"), "-e", filepath.Join(i.Dir, "error.log")), nil
	},
}

const nginxConf = `daemon off;
user root;
worker_processes 2;
pid nginx.pid;
events { worker_connections 256; }
http {
	access_log off;
	keepalive_requests 100000000;
	keepalive_timeout 1h;
	client_body_temp_path tmp1; proxy_temp_path tmp2; fastcgi_temp_path tmp3; uwsgi_temp_path tmp4; scgi_temp_path tmp5;
	root %s/www;
	server { listen 127.0.0.1:%d; }
}
`
