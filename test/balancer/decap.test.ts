/** The backends' end of the balancer's tunnels does with packets what scapy says. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { type LoadedObject, loadSpec, type ObjectSpec } from "../../src/index.ts";
import type * as Decap from "../../src/programs/balancer-decap.bpf.ts";
import { Fate } from "../../src/programs/balancer-decap.bpf.ts";
import { ipv4ToNumber, parseIp } from "../../src/sys/ip-address.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { lackingScapy } from "../net/scapy.ts";
import { sourceOf } from "../programs/subject.ts";
import { type DecapFixture, decapFixtures } from "./fixtures.ts";

const all = lackingScapy === "" ? decapFixtures() : [];
const FATES = Object.entries(Fate);

describe.skipIf(noKernel !== null || lackingScapy !== "")(
  `out of the balancer's tunnels${withoutKernel || lackingScapy}`,
  () => {
    let spec: ObjectSpec;
    const loaded = new Map<string, LoadedObject<typeof Decap>>();

    beforeAll(() => {
      spec = compile(sourceOf("programs/balancer-decap.bpf.ts")).spec;
    });
    afterAll(() => {
      for (const object of loaded.values()) object[Symbol.dispose]();
    });

    function decapWith(settings: DecapFixture["settings"]): LoadedObject<typeof Decap> {
      const name = JSON.stringify(settings);
      const values = Object.entries(settings).map(([key, text]) => [
        key,
        text.includes(":") ? parseIp(text) : ipv4ToNumber(text),
      ]);
      const object = loaded.get(name) ?? loadSpec<typeof Decap>(spec, { settings: Object.fromEntries(values) });
      loaded.set(name, object);
      return object;
    }

    test.each(all.map((fixture) => [fixture.name, fixture] as const))("%s", (_, { settings, steps }) => {
      const { programs, maps } = decapWith(settings);
      const counts = () => FATES.map(([name, number]) => [name, maps.fates.sum(number)] as const);
      for (const { packet, verdict, expected, fate } of steps) {
        const before = counts();
        const bytes = Buffer.from(packet, "hex");
        const result = programs.decap.run(bytes);
        const seen = {
          verdict: result.verdict,
          packet: expected === null ? null : Buffer.from(result.packet).toString("hex"),
          counts: counts(),
        };
        const added = before.map(([name, { packets, bytes: sum }]) => {
          const counted =
            name === fate ? { packets: packets + 1n, bytes: sum + BigInt(bytes.length) } : { packets, bytes: sum };
          return [name, counted];
        });
        expect(seen, packet).toEqual({ verdict, packet: expected, counts: added });
      }
    });

    test.each([1, 2, 3, 4] as const)("the verifier accepts it at instruction set v%i, with room to spare", (cpu) => {
      using object = loadSpec(compile(sourceOf("programs/balancer-decap.bpf.ts"), { cpu }).spec);
      expect(object.program("decap").info().verifiedInstructions).toBeLessThan(100_000);
    });
  },
);
