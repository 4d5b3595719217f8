/** Ring buffers: read to the callback and by iterating, at the reader's pace, whatever programs and readers do meanwhile. */
import { spawn } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { lacking, temporaryDirectory } from "../../../test/foreign-tools.ts";
import { frame, noKernel, type Running, start } from "../../../test/kernel.ts";
import type { Fd } from "../../sys/bpf.ts";
import { MappedMemory } from "../../sys/mapped-memory.ts";
import { pageSize } from "../../sys/page-size.ts";
import { ArrayMap } from "../maps/array.ts";
import { RingBufferMap, type RingBufferReader } from "../maps/ring-buffer.ts";
import { RingSource } from "./ring-source.ts";

const MODULE = `
  import { ringBuffer } from "wirescript/kernel";
  const Event = struct({ id: u64, kind: u8 });
  export const events = ringBuffer({ value: Event, bytes: 4096 });
  export const raw = ringBuffer({ bytes: 4096 });
  export const large = ringBuffer({ value: Event, bytes: 1048576 });
  export const refused = array({ value: u64, entries: 1 });
  export const counter = array({ value: u64, entries: 1 });
  export const p = xdp((ctx) => {
    const id = ctx.at(u64, 16);
    if (!id) return XDP_DROP;
    const event = events.reserve();
    if (!event) {
      const count = refused.lookup(0);
      if (count) count.value++;
      return XDP_ABORTED;
    }
    event.id = id.value;
    event.kind = 7;
    if (id.value === 13) events.discard(event);
    else events.submit(event);
    return XDP_PASS;
  });
  export const many = xdp(() => {
    const id = counter.lookup(0);
    if (!id) return XDP_DROP;
    const event = large.reserve();
    if (!event) return XDP_ABORTED;
    event.id = id.value;
    event.kind = 1;
    id.value++;
    large.submit(event);
    return XDP_PASS;
  });
  export const other = xdp(() => {
    const text = raw.reserve(bytes(5));
    if (text) {
      for (let i = 0; i < 5; i++) text[i] = i;
      raw.submit(text);
    }
    const wrong = events.reserve(u32);
    if (wrong) {
      wrong.value = 1;
      events.submit(wrong);
    }
    return XDP_PASS;
  });`;

type Event = { id: bigint; kind: number };

describe.skipIf(noKernel)(`a ring buffer${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  let running: Running;
  let events: RingBufferMap<Event>;
  beforeAll(() => {
    running = start(MODULE);
    events = running.object.map<RingBufferMap<Event>>("events", RingBufferMap);
  });
  afterAll(() => running[Symbol.dispose]());

  const send = (...ids: number[]) => ids.map((id) => running.object.program("p").run(frame([BigInt(id)], 64)).action);
  const drained = (reader: RingBufferReader<Event>, limit?: number) => {
    const ids: bigint[] = [];
    reader.drain(({ id }) => ids.push(id), limit);
    return ids;
  };

  test("gives what is there, typed and in order, as many as wanted; discarded records are counted", () => {
    using reader = events.reader();
    send(1, 13, 2, 3);
    expect(reader.unreadBytes).toBe(4 * 24);
    const first: Event[] = [];
    expect(reader.drain((event) => first.push(event), 1)).toBe(1);
    expect(first).toEqual([{ id: 1n, kind: 7 }]);
    expect(drained(reader)).toEqual([2n, 3n]);
    expect(drained(reader)).toEqual([]);
    expect(reader).toMatchObject({ received: 3, discarded: 1, unreadBytes: 0 });
  });

  test("holds records back for a slow reader, and the program learns that it is full", () => {
    using reader = events.reader();
    const verdicts = send(...Array.from({ length: 200 }, (_, id) => 100 + id));
    const fitting = verdicts.filter((verdict) => verdict === 2).length;
    expect(fitting).toBe(Math.floor(4096 / 24));
    expect(running.object.map("refused")).toMatchObject({ kind: "array" });
    expect(drained(reader, 3)).toEqual([100n, 101n, 102n]);
    expect(send(900, 901, 902, 903)).toEqual([2, 2, 2, 0]);
    expect(drained(reader)).toHaveLength(fitting);
  });

  test("goes round and round without losing or repeating a record", () => {
    using reader = events.reader();
    let expected = 1000;
    for (let round = 0; round < 300; round++) {
      const ids = Array.from({ length: (round % 37) + 1 }, () => expected++);
      send(...ids);
      expect(drained(reader)).toEqual(ids.map(BigInt));
    }
  });

  test("is iterated, waiting for what comes later; a loop that ends closes the reader", async () => {
    send(1);
    const seen: bigint[] = [];
    for await (const { id } of events) {
      seen.push(id);
      if (id < 5n) setImmediate(() => send(Number(id) + 1));
      else break;
    }
    expect(seen).toEqual([1n, 2n, 3n, 4n, 5n]);
    using again = events.reader();
    expect(again.closed).toBe(false);
  });

  test("is listened to, until the reader is closed, also by the listener", async () => {
    const reader = events.reader();
    const seen: bigint[] = [];
    const done = new Promise<void>((resolve) => {
      reader.listen(({ id }) => {
        seen.push(id);
        if (id === 12n) {
          reader.close();
          resolve();
        } else if (id === 9n) setImmediate(() => send(10, 11, 12, 14));
      });
    });
    send(8, 9);
    await done;
    expect(seen).toEqual([8n, 9n, 10n, 11n, 12n]);
    using next = events.reader();
    expect(drained(next)).toEqual([14n]);
  });

  test("several calls of next() wait in line", async () => {
    using reader = events.reader();
    const two = [reader.next(), reader.next()];
    send(21);
    send(22);
    expect((await Promise.all(two)).map(({ value }) => value?.id)).toEqual([21n, 22n]);
  });

  test("ends quietly while somebody waits, by close or a signal", async () => {
    const reader = events.reader();
    const waiting = reader.next();
    reader.close();
    reader.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    expect(() => reader.drain(() => {})).toThrow("cannot be used so");

    const controller = new AbortController();
    const aborted = events.reader({ signal: controller.signal });
    const pending = aborted.next();
    controller.abort(new Error("enough"));
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(await aborted.next()).toEqual({ done: true, value: undefined });
    expect(aborted.closed).toBe(true);
    expect(events.reader({ signal: controller.signal }).closed).toBe(true);

    const quiet = new AbortController();
    const listening = events.reader({ signal: quiet.signal }).listen(() => {});
    quiet.abort();
    expect(listening.closed).toBe(true);
  });

  test("has one reader at a time in a process, and one way of reading", async () => {
    using reader = events.reader();
    expect(() => events.reader()).toThrow('The ring buffer "events" is being read already.');
    reader.listen(() => {});
    expect(() => reader.drain(() => {})).toThrow("cannot be used so");
    await expect(reader.next()).rejects.toThrow("cannot be used so");
  });

  test("notices that another process reads too", () => {
    using reader = events.reader();
    send(1, 2);
    const others = new RingSource(events.fd, "events", 4096, (_, __, length) => length);
    expect(others.read(() => {}, 1)).toBe(1);
    others.close();
    expect(() => reader.drain(() => {})).toThrow('Somebody else reads the ring buffer "events".');
    expect(reader.closed).toBe(true);
    using next = events.reader();
    expect(drained(next)).toEqual([2n]);
  });

  test("an error in the callback takes that event out and no other", () => {
    using reader = events.reader();
    send(1, 2, 3);
    expect(() =>
      reader.drain(({ id }) => {
        if (id === 2n) throw new Error("two");
      }),
    ).toThrow("two");
    expect(drained(reader)).toEqual([3n]);
  });

  test("records without a type are bytes; those of another type than the declared one are refused, or decoded by hand", async () => {
    running.object.program("other").run(frame([], 64));
    using raw = running.object.map<RingBufferMap<Uint8Array>>("raw", RingBufferMap).reader();
    const seen: Uint8Array[] = [];
    raw.drain((bytes) => seen.push(bytes));
    expect(seen).toEqual([Uint8Array.of(0, 1, 2, 3, 4)]);
    {
      using reader = events.reader();
      expect(() => drained(reader)).toThrow('A record of "events" has 4 bytes, and the type that it declares has 9.');
    }
    running.object.program("other").run(frame([], 64));
    await expect(
      (async () => {
        for await (const event of events) expect(event).toBeUndefined();
      })(),
    ).rejects.toThrow('A record of "events" has 4 bytes');
    running.object.program("other").run(frame([], 64));
    using lengths = events.reader({ decode: (bytes) => bytes.length });
    const found: number[] = [];
    lengths.drain((length) => found.push(length));
    expect(found).toEqual([4]);
    expect(() => running.object.map<RingBufferMap>("raw", RingBufferMap).reader({ type: "nothing" })).toThrow(
      'no type "nothing"',
    );
  });

  test("a type of the object is found by its name", () => {
    send(5);
    using reader = events.reader<Event>({ type: "Event" });
    expect(drained(reader)).toEqual([5n]);
  });

  test("lets the event loop have its turn while events come faster than they are read", async () => {
    const large = running.object.map<RingBufferMap<Event>>("large", RingBufferMap);
    const many = running.object.program("many");
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    let seen = 0;
    const began = performance.now();
    many.run(frame([], 64), { repeat: 10_000 });
    for await (const event of large) {
      expect(event.id).toBe(BigInt(seen++));
      if (performance.now() - began > 100 && turns > 2) break;
      if (seen % 5000 === 0) many.run(frame([], 64), { repeat: 5000 });
    }
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });

  const missing = lacking("bpftool");
  describe.skipIf(missing !== "")(`while another process writes as fast as it can${missing}`, () => {
    /** Runs `many` some hundred thousand times; gives whether it is still at it. */
    function writer(id: number): Promise<number | null> {
      const packet = join(temporaryDirectory(), "packet");
      writeFileSync(packet, frame([], 64));
      const child = spawn("bpftool", ["prog", "run", "id", String(id), "data_in", packet, "repeat", "400000"], {
        stdio: "ignore",
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      return new Promise((resolve) => child.on("exit", resolve));
    }

    test.each(["listen", "iterate"])("nothing is lost, repeated or slept through: %s", async (way) => {
      using other = start(MODULE);
      const large = other.object.map<RingBufferMap<Event>>("large", RingBufferMap);
      const counter = other.object.map<ArrayMap<bigint>>("counter", ArrayMap);
      using reader = large.reader();
      let next = 0n;
      let wrong = 0;
      const take = ({ id }: Event) => {
        if (id !== next++) wrong++;
      };
      const iterate = async () => {
        for await (const event of reader) take(event);
      };
      const done = way === "listen" ? reader.listen(take) : iterate();
      for (let round = 0; round < 2; round++) expect(await writer(other.object.program("many").info().id)).toBe(0);
      const written = counter.get(0) ?? 0n;
      expect(written).toBeGreaterThan(10_000n);
      await expect.poll(() => next).toBe(written);
      expect(wrong).toBe(0);
      reader.close();
      await done;
    });
  });

  test("closing the map ends its readers", async () => {
    using other = start(MODULE);
    const map = other.object.map<RingBufferMap<Event>>("events", RingBufferMap);
    const reader = map.reader();
    const waiting = reader.next();
    other.object.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  describe("in a process of its own", () => {
    const script = (text: string) => `
      import { register } from "node:module";
      register("./bench/strip-types.js", "file://${process.cwd()}/");
      const { openMapById } = await import("./src/runtime/maps/open-existing.ts");
      const reader = openMapById(Number(process.argv[1])).reader({ decode: (bytes) => bytes[0] });
      ${text}`;
    const child = (text: string) => {
      const started = spawn(process.execPath, ["--input-type=module", "-e", script(text), String(events.info().id)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      onTestFinished(() => void started.kill("SIGKILL"));
      let printed = "";
      started.stdout.setEncoding("utf8").on("data", (text) => {
        printed += text;
      });
      const ended = new Promise<number | null>((resolve) => started.on("exit", resolve));
      return { kill: () => started.kill("SIGKILL"), printed: () => printed, ended };
    };

    test("a reader that is killed leaves the rest to the next one", async () => {
      send(1, 2, 3, 4, 5, 6);
      const { printed, kill, ended } = child(`
        reader.drain((id) => console.log(id), 2);
        reader.listen((id) => { console.log(id); if (id === 4) process.kill(process.pid, "SIGSTOP"); });`);
      await expect.poll(printed).toBe("1\n2\n3\n4\n");
      kill();
      await ended;
      using reader = events.reader();
      const ids = drained(reader);
      // What was in the hands of the killed one, and not yet released, comes again; nothing is missing.
      expect(ids.slice(-2)).toEqual([5n, 6n]);
      expect(ids.length).toBeLessThanOrEqual(4);
    });

    test("an unreferenced reader lets the process end, another keeps it, and errors of listeners are the process's", async () => {
      const waiting = child(`
        process.on("uncaughtException", (error) => console.log(error.message));
        console.log("ready");
        reader.listen((id) => {
          if (id === 1) throw new Error("one");
          console.log(id);
          if (id !== 2) return;
          reader.close();
          openMapById(Number(process.argv[1])).reader().unref().listen(() => {});
        });`);
      await expect.poll(waiting.printed).toBe("ready\n");
      send(1, 2);
      expect(await waiting.ended).toBe(0);
      expect(waiting.printed()).toBe("ready\none\n2\n");
    });
  });
});

describe.skipIf(process.platform !== "linux")("a ring buffer's memory, played by a file (needs Linux)", () => {
  const SIZE = 4096;

  /** A file laid out as the kernel maps a ring buffer; the second copy of the data is written too. */
  function ring(consumed: bigint) {
    const directory = mkdtempSync(join(tmpdir(), "wirescript-ring-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const fd = openSync(join(directory, "ring"), "w+");
    onTestFinished(() => closeSync(fd));
    const page = pageSize();
    ftruncateSync(fd, 2 * page + 2 * SIZE);
    const memory = new MappedMemory(fd, 2 * page + 2 * SIZE, { writable: true });
    const view = new DataView(memory.bytes.buffer);
    view.setBigUint64(0, consumed, true);
    view.setBigUint64(page, consumed, true);
    const map = { number: fd } as Fd<"map">; // a file in a map's place
    const source = new RingSource(map, "file", SIZE, (bytes, at, length) => [...bytes.subarray(at, at + length)]);
    onTestFinished(() => {
      source.close();
      memory.close();
    });
    let produced = consumed;
    const put = (at: bigint, write: (offset: number) => void) => {
      const offset = Number(at % BigInt(SIZE));
      write(2 * page + offset);
      write(2 * page + ((offset + SIZE) % (2 * SIZE)));
    };
    return {
      source,
      consumed: () => view.getBigUint64(0, true),
      /** Reserves a record; gives what completes it. */
      reserve(bytes: number[]) {
        const at = produced;
        put(at, (offset) => view.setUint32(offset, (bytes.length | 0x8000_0000) >>> 0, true));
        produced += BigInt(Math.ceil((bytes.length + 8) / 8) * 8);
        view.setBigUint64(page, produced, true);
        return (flags = 0) => {
          bytes.forEach((byte, index) => {
            put(at + 8n + BigInt(index), (offset) => view.setUint8(offset, byte));
          });
          put(at, (offset) => view.setUint32(offset, (bytes.length | flags) >>> 0, true));
        };
      },
    };
  }
  const read = (source: RingSource<number[]>) => {
    const records: number[][] = [];
    source.read((record) => records.push(record), 100);
    return records;
  };

  test("stops in front of a record that is not complete, and goes on when it is", () => {
    const { source, reserve, consumed } = ring(0n);
    const [first, second, third] = [reserve([1]), reserve([2, 2]), reserve([3])];
    first();
    third();
    expect(read(source)).toEqual([[1]]);
    expect(consumed()).toBe(16n);
    second(0x4000_0000);
    expect(read(source)).toEqual([[3]]);
    expect([source.discarded, consumed()]).toEqual([1, 48n]);
  });

  test("wraps around: the ring, and positions of more than 32 bits", () => {
    for (const begin of [SIZE - 16, 2 ** 32 - 16, 5 * 2 ** 32 - 8].map(BigInt)) {
      const { source, reserve, consumed } = ring(begin);
      const long = Array.from({ length: 40 }, (_, index) => index);
      reserve(long)();
      reserve([9])();
      expect(read(source)).toEqual([long, [9]]);
      expect(consumed()).toBe(begin + 48n + 16n);
    }
  });

  test("gives room back before the end when there is much to read", () => {
    const { source, reserve, consumed } = ring(0n);
    for (let count = 0; count < 100; count++) reserve([count])();
    const positions: bigint[] = [];
    source.read(() => positions.push(consumed()), 90);
    expect(new Set(positions).size).toBeGreaterThan(2);
    source.release();
    expect(consumed()).toBe(90n * 16n);
  });

  test("what it reads may close it", () => {
    const { source, reserve } = ring(0n);
    for (let count = 0; count < 5; count++) reserve([count])();
    let seen = 0;
    source.read(() => {
      seen++;
      source.close();
    }, 10);
    expect([seen, source.closed, source.read(() => {}, 1)]).toEqual([1, true, 0]);
  });
});
