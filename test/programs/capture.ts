/** What arrives at the device inside a lab, or veth0 of another namespace, seen by tcpdump, and what tshark says about it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { INSIDE_DEVICE } from "../../src/lab/index.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { output } from "../foreign-tools.ts";

/** tcpdump in a namespace: it writes frames to a file, and says what it has written. */
export class Capture {
  readonly file: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(file: string, child: ChildProcess, lines: AsyncIterator<string>) {
    this.file = file;
    this.#child = child;
    this.#lines = lines;
  }

  /** Starts one for frames that pass the filter; it listens when the promise is fulfilled. */
  static async start({ name }: { name: string }, file: string, filter: string): Promise<Capture> {
    const options = ["-i", INSIDE_DEVICE, "-n", "-l", "-U", "-Z", "root", "--immediate-mode", "--print", "-w", file, filter];
    const child = inNamespace(name, () => spawn("tcpdump", options, { stdio: ["ignore", "pipe", "pipe"] }));
    const said = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
    for (;;) {
      const { value, done } = await said.next();
      if (done === true) throw new Error(`tcpdump in ${name} ended`);
      if (value.includes("listening on")) break;
    }
    return new Capture(file, child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
  }

  /** Waits until a frame has been written whose line says `text`. */
  async sees(text: string): Promise<void> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error(`tcpdump never saw ${text}`);
      if (value.includes(text)) return;
    }
  }

  /** Waits until a frame has been written whose line says `text`, and ends. */
  async endAfter(text: string): Promise<void> {
    await this.sees(text);
    await this.end();
  }

  async end(): Promise<void> {
    this.#child.kill("SIGINT");
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}

/** A frame as tshark reads it. */
export interface Frame {
  macs: { from: string; to: string };
  from: string;
  to: string;
  /** IPv4's TTL, IPv6's hop limit. */
  hops: string;
  kind: "ping" | "TCP";
  /** Checksums by what tshark says of them. The IPv4 header's is absent in IPv6. */
  headerChecksum: "good" | "bad" | "absent";
  checksum: "good" | "bad" | "absent";
}

const VERDICTS: Record<string, Frame["checksum"]> = { "": "absent", "0": "bad", "1": "good" };

/** All frames of a capture. */
export function framesIn(file: string): Frame[] {
  const fields = [
    ...["eth.src", "eth.dst", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "ip.ttl", "ipv6.hlim"],
    ...["ip.checksum.status", "tcp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status", "tcp.srcport"],
  ];
  const preferences = ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE"].flatMap((each) => ["-o", each]);
  const format = ["-T", "fields", "-E", "separator=;"];
  const text = output("tshark", "-n", "-r", file, ...preferences, ...format, ...fields.flatMap((field) => ["-e", field]));
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const values = line.split(";");
      const of = (...names: string[]) => names.map((name) => values[fields.indexOf(name)] ?? "").join("");
      return {
        macs: { from: of("eth.src"), to: of("eth.dst") },
        from: of("ip.src", "ipv6.src"),
        to: of("ip.dst", "ipv6.dst"),
        hops: of("ip.ttl", "ipv6.hlim"),
        kind: of("tcp.srcport") === "" ? "ping" : "TCP",
        headerChecksum: VERDICTS[of("ip.checksum.status")] ?? "bad",
        checksum: VERDICTS[of("tcp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status")] ?? "bad",
      };
    });
}
