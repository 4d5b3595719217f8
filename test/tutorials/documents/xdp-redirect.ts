/** The command lines of the README of the XDP redirect demo, https://github.com/zhao-kun/xdp-redirect, by its author. */

/** Blocks that are not followed, and why. */
export const LEFT_OUT = {
  "How to build the program, `git submodule update --init`": "There is no libbpf to fetch.",
  "Start the web server, `sudo killall xdplbmgmt`":
    "It ends every process of that name on the machine, whoever started it. The test sees to the name, and ends its own.",
  "Start a container, `docker run`": "A lab takes the container's place, and a Node.js socket netcat's.",
  "Start a container, `docker exec udpserver ip a show dev eth0`":
    "`t exec -n udpserver -- ip a show dev veth0` is what a lab has for it.",
  "Start a container, `docker stop udpserver`": "As above.",
} as const;

export const XDP_REDIRECT = {
  /** How to build the program: "in the root directory of the repository, run make". */
  buildServer: "make",
  /** How to build the program: "enter the `ebpf` directory, run `make`". */
  buildProgram: "cd ebpf && make",
  /** (Un)Load the ebpf program to the backend, first block. */
  load: "sudo sbin/load.sh virbr0",
  /** (Un)Load the ebpf program to the backend, second block. */
  unload: "sudo sbin/unload.sh virbr0",
  /** Start the web server, first block. */
  serve: "nohup sudo bin/xdplbmgmt &",
  /** Start the web server, second block. */
  serveElsewhere: "nohup sudo bin/xdplbmgmt --address :9093",
} as const;
