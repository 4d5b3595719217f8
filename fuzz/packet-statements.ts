/** Statements about the packet as a whole: moving its edges, parsing it, writing to it wherever it lies. */
import { MapWriter } from "./map-statements.ts";
import { into, literal, type Scope } from "./scope.ts";
import { METADATA, type Returns } from "./statement-writer.ts";
import type { Bool, CursorField, Flavour, Int, Reshape, Statement } from "./tree.ts";

export abstract class PacketWriter extends MapWriter {
  protected move(scope: Scope, returns: Returns): Statement {
    const random = this.random;
    const edge = random.pick(["head", "tail", "meta"] as const);
    const amount = literal(edge === "meta" ? random.pick([4, 8, 16, 32, 32, 64, 7]) : random.between(1, 24));
    const delta = random.chance(edge === "meta" ? 90 : 50) ? negative(amount) : amount;
    this.#packetMoved(scope);
    return { s: "move", edge, delta, otherwise: this.leaving(scope, returns) };
  }

  /** Views of the packet from before are dead. */
  #packetMoved(scope: Scope): void {
    for (const view of scope.views) if (view.map === null || view.map === METADATA) view.life.alive = false;
  }

  protected reshape(scope: Scope, returns: Returns): Statement {
    const how = this.#reshape(scope);
    this.#packetMoved(scope);
    return { s: "reshape", how, otherwise: this.leaving(scope, returns) };
  }

  #reshape(scope: Scope): Reshape {
    const { random, e } = this;
    const given = (flavour: Flavour) =>
      into(
        e.pure(() => e.int(scope, 1)),
        flavour,
      );
    switch (
      random.pick(["pull", "changeTail", "changeTail", "changeHead", "adjustRoom", "pushVlan", "pushVlan", "popVlan"] as const)
    ) {
      case "pull":
        return { h: "pull", args: [random.chance(70) ? literal(random.between(0, 120)) : given("u32")] };
      case "changeTail":
        return { h: "changeTail", args: [random.chance(70) ? literal(random.between(10, 300)) : given("u16")] };
      case "changeHead":
        return { h: "changeHead", args: [random.chance(70) ? literal(random.between(0, 40)) : given("u16")] };
      case "adjustRoom": {
        const amount = literal(random.between(0, 40));
        const delta = random.chance(40) ? amount : random.chance(70) ? negative(amount) : given("i32");
        return { h: "adjustRoom", args: [delta], mode: random.pick(["mac", "net"] as const) };
      }
      case "pushVlan": {
        const protocol = random.chance(80) ? literal(random.pick([0x8100, 0x8100, 0x88a8])) : given("u16");
        return { h: "pushVlan", args: [protocol, random.chance(50) ? literal(random.below(0x1_0000)) : given("u16")] };
      }
      case "popVlan":
        return { h: "popVlan", args: [] };
    }
  }

  /** Goes from the Ethernet header to the IP header and behind it. */
  parse(scope: Scope): Statement[] {
    const statements: Statement[] = [];
    while (statements.length < 2) statements.push(...this.cursor(scope, "verdict"));
    return statements;
  }

  /** The next cursor: that of the frame, or that of the IP packet in it. */
  protected cursor(scope: Scope, returns: Returns): Statement[] {
    const random = this.random;
    const otherwise = this.leaving(scope, returns);
    const name = this.name("at");
    const frame = scope.cursors.find(({ isPacket }) => !isPacket);
    const packet = scope.cursors.find(({ isPacket }) => isPacket);
    const part = (cursor: string, field: CursorField, flavour: Flavour): Int => ({
      k: "cursor",
      cursor,
      field,
      signed: false,
      flavour,
    });
    if (frame === undefined) {
      scope.cursors.push({ name, isPacket: false });
      return [{ s: "cursor", name, cursor: { c: "ethernetPayload" }, otherwise }];
    }
    const type = random.chance(80) ? part(frame.name, "type", "u16") : literal(random.pick([0x0800, 0x86dd]));
    // Behind a packet, as in a tunnel, or where the frame's payload is.
    const offset = part(packet !== undefined && random.chance(30) ? packet.name : frame.name, "offset", "u32");
    const one = random.pick(["ipPayload", "ipPayload", "ipPayload", "ipv4Payload", "ipv6Payload"] as const);
    scope.cursors.push({ name, isPacket: true });
    return [{ s: "cursor", name, cursor: one === "ipPayload" ? { c: one, type, offset } : { c: one, offset }, otherwise }];
  }

  protected storeBytes(scope: Scope): Statement[] {
    const random = this.random;
    const e = this.e;
    const structs = e.structs.filter(({ size }) => size <= 40);
    if (structs.length === 0) return [];
    const struct = random.pick(structs);
    const offset = into(
      e.pure(() => e.offset(scope, 2)),
      "u32",
    );
    const value = e.pure(() => e.assigned(scope, struct));
    if (value === null) return [];
    const stored: Bool = { b: "store-bytes", struct, offset, value };
    // A socket buffer may have moved.
    if (e.hook === "tc") this.#packetMoved(scope);
    return [this.result(scope, stored)];
  }
}

function negative(amount: Int): Int {
  return { k: "unary", operator: "-", operand: amount, signed: true, flavour: null };
}
