/**
 * A wire with two ends: the near one, where what is measured is attached or configured, and the far one, which sends and counts. Each is a
 * veth device in a namespace of its own; both go when the wire is disposed of.
 */
import { closeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile } from "../src/compiler/compile.ts";
import { loadSpec } from "../src/runtime/load.ts";
import type { LoadedObject } from "../src/runtime/loaded-object.ts";
import { mapUpdate } from "../src/sys/bpf.ts";
import { setOffloads } from "../src/sys/ethtool.ts";
import { formatMac } from "../src/sys/mac.ts";
import { createNamespace, deleteNamespace, inNamespace, openNamespace } from "../src/sys/namespaces.ts";
import { addVethPair, getLink, moveLink, setLinkMac, setLinkUp } from "../src/sys/netlink/index.ts";
import { ETHERTYPE, frame, HOST, type Host, ipv4, PEER, PROTOCOL, pattern, udp } from "../test/packets/index.ts";
import type * as Wire from "./wire.bpf.ts";

/** Who sends, and to whom: addresses of the far end, and of the near one. */
export const [CLIENT, SERVICE]: [Host, Host] = [PEER, HOST];
export const PORT = 80;
/** Makes a frame of Ethernet's least length: 60 bytes without its checksum. */
const PAYLOAD = 18;
export const [NEAR, FAR] = ["near0", "far0"];

export interface Rate {
  sent: number;
  returned: number;
  seconds: number;
}

export class MeasuringWire implements Disposable {
  /** The namespace of the near end. */
  readonly near: string;
  readonly #far: string;
  readonly #undo: (() => void)[] = [];
  readonly #object: LoadedObject<typeof Wire>;
  readonly #ifindex: number;
  readonly #packet: Uint8Array;

  /** `connections`: how many source ports the datagrams come from. */
  constructor(connections: number) {
    this.near = `wsb${process.pid}n`;
    this.#far = `wsb${process.pid}f`;
    try {
      for (const name of [this.near, this.#far]) {
        createNamespace(name);
        this.#undo.push(() => void deleteNamespace(name));
      }
      inNamespace(this.near, () => {
        addVethPair({ name: NEAR, peerName: FAR });
        const far = openNamespace(this.#far);
        moveLink(getLink(FAR).ifindex, far);
        closeSync(far);
        bringUp(NEAR, SERVICE);
      });
      const spec = compile(fileURLToPath(new URL("wire.bpf.ts", import.meta.url))).spec;
      this.#object = loadSpec<typeof Wire>(spec, { settings: { connections } });
      this.#undo.push(() => this.#object[Symbol.dispose]());
      this.#packet = frame(ETHERTYPE.IPV4, ipv4(udp(pattern(PAYLOAD), { destinationPort: PORT }), { protocol: PROTOCOL.UDP }));
      const { frame: model } = this.#object.maps;
      mapUpdate(model.fd, Uint8Array.of(0, 0, 0, 0), this.#packet.subarray(0, model.valueSize), 0);
      this.#ifindex = inNamespace(this.#far, () => {
        bringUp(FAR, CLIENT);
        this.#object.programs.receive.attach({ dev: FAR, mode: "native" });
        return getLink(FAR).ifindex;
      });
      // Without a program of its own the near end takes frames from the far one's program only so; and with GRO it notices while both are up.
      inNamespace(this.near, () => setOffloads(NEAR, { gro: true }));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get frameBytes(): number {
    return this.#packet.length;
  }

  /** Sends `packets` as fast as it goes. Returns when all of them were sent and handled. */
  send(packets: number): Rate {
    const { sent, returned } = this.#object.maps;
    const before = { sent: sent.sum(0), returned: returned.sum(0) };
    const start = process.hrtime.bigint();
    inNamespace(this.#far, () => {
      const context = { ingressIfindex: this.#ifindex };
      this.#object.programs.send.run(this.#packet, { live: true, repeat: packets, batchSize: 64, context });
    });
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    return { sent: Number(sent.sum(0) - before.sent), returned: Number(returned.sum(0) - before.returned), seconds };
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#undo.length = 0;
  }
}

function bringUp(device: string, host: Host): void {
  const { ifindex } = getLink(device);
  setLinkMac(ifindex, formatMac(Uint8Array.from(host.mac)));
  setLinkUp(ifindex, true);
}
