/** Raw sockets on the real kernel, and their numbers against the C headers. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { freshNamespace, isRoot } from "../../test/own-network.ts";
import { inNamespace } from "./namespaces.ts";
import { addVethPair, getLink, setLinkUp } from "./netlink/link.ts";
import { openEchoSocket, openPacketSocket, SOCKET, SOCKET_SIZE } from "./sockets.ts";

const compiler = ["cc", "clang-19"].find((name) => spawnSync(name, ["--version"]).status === 0);

describe.skipIf(compiler === undefined)("socket numbers (skipped without a C compiler)", () => {
  test("constants and sizes are those of the C headers", () => {
    const directory = mkdtempSync(join(tmpdir(), "wirescript-sockets-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    // The C library names the ICMPv6 ones differently.
    const inC: Record<string, string> = {
      ICMPV6_FILTER: "ICMP6_FILTER",
      ICMPV6_ECHO_REQUEST: "ICMP6_ECHO_REQUEST",
      ICMPV6_ECHO_REPLY: "ICMP6_ECHO_REPLY",
      ICMP_FILTER: "1 /* linux/icmp.h, which netinet/ip_icmp.h does not go with */",
    };
    const ours = [...Object.entries(SOCKET), ...Object.entries(SOCKET_SIZE)];
    const expressions = ours.map(([name]) => (name in SOCKET_SIZE ? `sizeof(struct ${name})` : (inC[name] ?? name)));
    const headers = ["stdio.h", "poll.h", "time.h", "sys/socket.h", "netinet/in.h", "netinet/icmp6.h", "netinet/ip_icmp.h"];
    writeFileSync(
      join(directory, "print.c"),
      [
        "#define _GNU_SOURCE",
        ...[...headers, "linux/if_packet.h", "linux/if_ether.h"].map((header) => `#include <${header}>`),
        "int main(void) {",
        ...expressions.map((expression) => `printf("%lld\\n", (long long)(${expression}));`),
        "}",
      ].join("\n"),
    );
    execFileSync(compiler ?? "cc", ["-o", "print", "print.c"], { cwd: directory, stdio: "pipe" });
    const theirs = execFileSync(join(directory, "print"), { encoding: "utf8" }).trim().split("\n").map(Number);
    expect(ours).toEqual(ours.map(([name], i) => [name, theirs[i]]));
  });
});

describe.skipIf(!isRoot)("raw sockets (skipped without root)", () => {
  function withPair(): string {
    const namespace = freshNamespace();
    inNamespace(namespace, () => {
      addVethPair({ name: "a", peerName: "b" });
      for (const name of ["lo", "a", "b"]) setLinkUp(getLink(name).ifindex, true);
    });
    return namespace;
  }

  test("a packet socket receives the frames that the other end sends, as they are, and none of its own", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      using a = openPacketSocket(getLink("a").ifindex);
      using b = openPacketSocket(getLink("b").ifindex);
      // To nobody's address, with a type of the range for experiments: 60 bytes, the least that Ethernet carries.
      const frame = Uint8Array.from({ length: 60 }, (_, i) => i * 3);
      frame.set([0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x98, 0x88, 0xb5]);
      const isOurs = (bytes: Uint8Array) => bytes[12] === 0x88 && bytes[13] === 0xb5;
      a.send(frame);
      let received = b.receive(1000);
      while (received !== null && !isOurs(received.bytes)) received = b.receive(1000);
      expect(received?.bytes).toEqual(frame);
      for (let own = a.receive(0); own !== null; own = a.receive(0)) expect(isOurs(own.bytes)).toBe(false);
    });
  });

  test("an echo socket answers nothing within its time, and says so", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      using socket = openEchoSocket("127.0.0.1");
      const start = performance.now();
      expect(socket.receive(20)).toBeNull();
      expect(performance.now() - start).toBeGreaterThanOrEqual(19);
    });
  });

  test("an echo socket is for its destination alone, and sees no requests", () => {
    const namespace = withPair();
    inNamespace(namespace, () => {
      using socket = openEchoSocket("127.0.0.1");
      using other = openEchoSocket("127.0.0.2");
      // Type 8, identifier 1, sequence 1: the checksum is the complement of 0x0802.
      const request = Uint8Array.of(8, 0, 0xf7, 0xfd, 0, 1, 0, 1);
      socket.send(request);
      const reply = socket.receive(1000);
      expect(reply?.source).toBe("127.0.0.1");
      expect(Array.from(reply?.bytes.subarray(20) ?? [])).toEqual([0, 0, 0xff, 0xfd, 0, 1, 0, 1]);
      expect(socket.receive(0)).toBeNull();
      expect(other.receive(0)).toBeNull();
    });
  });

  test("no route is an error when the socket is opened", () => {
    const namespace = freshNamespace();
    inNamespace(namespace, () => {
      expect(() => openEchoSocket("10.11.1.1")).toThrowError(expect.objectContaining({ errnoName: "ENETUNREACH" }));
    });
  });
});
