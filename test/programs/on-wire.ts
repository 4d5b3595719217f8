/** A wire in a namespace of its own on which nobody else speaks: a program on one end, packet sockets on both. */
import { writeFileSync } from "node:fs";
import { expect, onTestFinished } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { type LoadedObject, type LoadOptions, loadSpec } from "../../src/index.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { addVethPair, getLink, setLinkUp } from "../../src/sys/netlink/index.ts";
import { openPacketSocket, type RawSocket } from "../../src/sys/sockets.ts";
import { freshNamespace } from "../own-network.ts";
import { hex } from "../packets/index.ts";
import { sourceOf } from "./subject.ts";

/** How long a packet may take on a busy machine. */
const PATIENCE_MS = 30_000;

export const MODES = ["native", "skb"] as const;
export type Mode = (typeof MODES)[number];

/** A shipped program's file, loaded with maps of its own; gone when the test ends. */
export function loadShipped(file: string, options: LoadOptions = {}): LoadedObject {
  const object = loadSpec(compile(sourceOf(`programs/${file}.bpf.ts`)).spec, options);
  onTestFinished(() => object.close());
  return object;
}

export interface Wire {
  namespace: string;
  /** Sends into the program, from the other end of the wire. */
  far: RawSocket;
  /** Sees what the program let pass. */
  near: RawSocket;
}

/** Attaches the program to the end "near" of a fresh veth pair. */
export function attachToWire(object: LoadedObject, program: string, mode: Mode): Wire {
  const namespace = freshNamespace();
  return inNamespace(namespace, () => {
    // The kernel shows a thread the settings of its own namespace.
    writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    addVethPair({ name: "near", peerName: "far" });
    for (const device of ["near", "far"]) setLinkUp(getLink(device).ifindex, true);
    expect(object.program(program).attach({ dev: "near", mode }).mode).toBe(mode);
    return { namespace, far: openFor("far"), near: openFor("near") };
  });
}

/** A socket on a device of this thread's namespace; closed when the test ends. */
export function openFor(device: string): RawSocket {
  const socket = openPacketSocket(getLink(device).ifindex);
  onTestFinished(() => socket.close());
  return socket;
}

/** What comes in until `count` frames came that `isWanted`; they, in hexadecimal. */
export function receive(socket: RawSocket, count: number, isWanted: (frame: Uint8Array) => boolean = () => true): string[] {
  const frames: string[] = [];
  const deadline = performance.now() + PATIENCE_MS;
  while (frames.length < count && performance.now() < deadline) {
    const received = socket.receive(deadline - performance.now());
    if (received !== null && isWanted(received.bytes)) frames.push(hex(received.bytes));
  }
  return frames;
}
