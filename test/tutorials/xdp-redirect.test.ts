/**
 * The XDP redirect demo, followed: a lab called virbr0 is the virtual machine, one called udpserver the container. What the server hears has
 * passed its kernel's checksum test, and tshark's.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, needs, Sandbox } from "../cli/sandbox.ts";
import { hasTool } from "../own-network.ts";
import { LEFT_OUT, XDP_REDIRECT } from "./documents/xdp-redirect.ts";
import { Reader, type Watched } from "./reader.ts";

const reason = cannotRun ?? ["make", "curl", "nohup"].map(needs).find((text) => text !== "") ?? null;

describe.skipIf(reason !== null)(`xdp-redirect${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let box: Sandbox;
  let reader: Reader;
  let server: Watched;
  let listener: Watched;
  /** Of the server, in the lab. */
  let rule: { server: string; mac: string; ifindex: number };
  let client: string;

  beforeAll(() => {
    box = new Sandbox();
    reader = new Reader(box, "xdp-redirect");
  });
  afterAll(async () => {
    await reader?.close();
    box?.[Symbol.dispose]();
  });

  const labState = (lab: string) => JSON.parse(reader.type(`t status -n ${lab} --json`)).selected;
  const curl = (path: string, options = "") => {
    const [body, status] = reader
      .type(`curl -sS -w '\\n%{http_code}' ${options} 'http://127.0.0.1:9091${path}'`)
      .split(/\n(?=\d+$)/);
    return { status: Number(status), body: JSON.parse(body ?? "") };
  };
  const post = (rules: unknown, path = `/rules?sourceAddr=${client}`) =>
    curl(path, `-d '${typeof rules === "string" ? rules : JSON.stringify(rules)}'`);
  const send = (text: string, sourcePort: number) =>
    reader.type(
      `ip netns exec virbr0 ${process.execPath} -e '
        const s = require("node:dgram").createSocket("udp4");
        s.bind(${sourcePort}, () => s.send("${text}", 7999, "10.11.1.1", () => s.close()))'`,
    );

  test("every block of the document is followed, or left out for a reason", () => {
    expect(Object.keys(XDP_REDIRECT)).toHaveLength(6);
    expect(Object.values(LEFT_OUT).every((why) => why.length > 0)).toBe(true);
  });

  test("built, loaded, and served", async () => {
    expect(reader.type(XDP_REDIRECT.buildServer)).toContain("bin/xdplbmgmt is ready");
    expect(reader.type(XDP_REDIRECT.buildProgram)).toContain("Wrote xdp_redirect.o");
    reader.type("t setup -n virbr0 --legacy-ip && t setup -n udpserver --legacy-ip");

    const early = reader.try("bin/xdplbmgmt");
    expect(early).toMatchObject({ status: 1 });
    expect(early.stderr).toContain("boot lbmap server error: load mapper for /sys/fs/bpf/xdp/globals/servers error\n");
    expect(early.stderr).toContain("fix: Load the program first, which makes its maps: sbin/load.sh DEV.");

    expect(reader.type(XDP_REDIRECT.load)).toMatch(
      /^Attached loadbal to virbr0 \(ifindex \d+\) in native mode\.\nPinned its maps in/,
    );
    expect(reader.try(XDP_REDIRECT.load)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /^ebpf\/xdp_redirect\.o was not attached to virbr0\n[\s\S]*fix: Take off what is there first: sbin\/unload\.sh virbr0\n$/,
      ),
    });
    server = reader.start(`${XDP_REDIRECT.serve}\necho started as $!\nwait`);
    await server.prints(/Server started, listening on 127\.0\.0\.1:9091\n/);
    await server.prints(/started as \d+\n/);
    const pid = /started as (\d+)/.exec(server.output)?.[1];
    // The name that `killall` goes by.
    expect(readFileSync(`/proc/${pid}/comm`, "utf8").trim()).toBe("xdplbmgmt");

    // What nohup is for.
    reader.type(`kill -HUP ${pid}`);
    expect(curl("/rules")).toEqual({ status: 200, body: [] });
  });

  test("datagrams to port 7999 reach the server with right checksums, and are counted", async () => {
    const machine = labState("virbr0");
    client = machine.legacyPrefix.replace(/0\/\d+$/, "2");
    const container = labState("udpserver");
    const shown = reader.type("t exec -n udpserver -- ip a show dev veth0");
    const [, mac = ""] = /link\/ether (\S+)/.exec(shown) ?? [];
    const [, address = ""] = /inet ([\d.]+)\//.exec(shown) ?? [];
    rule = { server: address, mac, ifindex: container.iface.ifindex };
    expect(post([rule])).toEqual({ status: 200, body: { message: "ok" } });

    listener = reader.start(
      `ip netns exec udpserver ${process.execPath} -e '
        const s = require("node:dgram").createSocket("udp4");
        s.on("message", (m, from) => console.log(from.address + ":" + from.port + " " + m)).bind(7999, () => console.log("listening"))'`,
    );
    await listener.prints(/listening/);
    send("hello ebpf", 40_000);
    await listener.prints(new RegExp(`^${client.replaceAll(".", "\\.")}:40000 hello ebpf$`, "m"));
    send("again", 40_001);
    await listener.prints(/:40001 again$/m);
    // Headers of 14, 20 and 8 bytes.
    expect(curl("/rules").body).toEqual([{ ...rule, forward_bytes: 42 * 2 + 10 + 5, forward_packages: 2 }]);
  });

  test.skipIf(!hasTool("tshark"))(`tshark finds IP's and UDP's checksums right${needs("tshark")}`, async () => {
    const fields = "-T fields -e ip.src -e ip.dst -e ip.checksum.status -e udp.checksum.status -e udp.srcport";
    const capture = reader.start(
      `t exec -n udpserver -- tshark -l -i veth0 -f 'udp port 7999' -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE ${fields}`,
    );
    await capture.prints(/Capturing on/);
    // It listens a moment after it says so.
    let port = 50_000;
    while (!/\t1\t1\t/.test(capture.output)) {
      send("x", ++port);
      await listener.prints(new RegExp(`:${port} x`));
      if (port > 50_030) break;
    }
    await capture.prints(new RegExp(`^${client}\t${rule.server}\t1\t1\t\\d+$`, "m"));
    await capture.interrupt();
  });

  test("a change of the rules keeps counters, and what is wrong with a request is said by field", () => {
    const before = curl("/rules").body;
    expect(before[0].forward_packages).toBeGreaterThanOrEqual(2);
    const second = { server: "10.11.2.77", mac: "02:00:00:00:00:77", ifindex: rule.ifindex };
    expect(post([second, rule]).status).toBe(200);
    const listed = curl("/rules").body;
    expect(listed).toEqual([...before, { ...second, forward_bytes: 0, forward_packages: 0 }]);

    const wrong: [unknown, string | undefined, string?][] = [
      [[{ ...rule, server: "nonsense" }], "[0].server"],
      [[{ ...rule, server: "fd00::1" }], "[0].server"],
      [[rule, { ...rule, server: "10.0.0.300" }], "[1].server"],
      [[rule, rule], "[1].server"],
      [[{ ...rule, mac: "02:42:ac:11:00:02:00:01" }], "[0].mac"],
      [[{ ...rule, mac: "xx:42:ac:11:00:02" }], "[0].mac"],
      [[{ ...rule, ifindex: 99_999 }], "[0].ifindex"],
      [[{ ...rule, ifindex: "25" }], "[0].ifindex"],
      [[{ ...rule, ifindex: -1 }], "[0].ifindex"],
      [[{ server: rule.server, mac: rule.mac }], "[0].ifindex"],
      [["rule"], "[0]"],
      [[], undefined],
      [{ rules: [rule] }, undefined],
      ["[{", undefined],
      [[rule], "sourceAddr", "/rules"],
      [[rule], "sourceAddr", "/rules?sourceAddr=here"],
    ];
    for (const [rules, field, path] of wrong) {
      const { status, body } = post(rules, path);
      expect({ status, field: body.field }, JSON.stringify(rules)).toEqual({ status: 400, field });
      expect(body.message).toMatch(/\w/);
    }
    expect(post(`[${" ".repeat(70_000)}]`).status).toBe(413);
    expect(curl("/rules", "-X DELETE")).toMatchObject({ status: 405 });
    expect(curl("/elsewhere")).toMatchObject({ status: 404 });
    expect(curl("//")).toMatchObject({ status: 404 });
    const fromPage = (origin: string, host: string) =>
      curl(
        `/rules?sourceAddr=${client}`,
        `-H 'Origin: http://${origin}' -H 'Host: ${host}' -d '${JSON.stringify([second, rule])}'`,
      ).status;
    expect(fromPage("example.org", "127.0.0.1:9091")).toBe(403);
    // A name that resolves to this host since its page was read.
    expect(fromPage("example.org:9091", "example.org:9091")).toBe(403);
    for (const own of ["127.0.0.1:9091", "localhost:9091", "[::1]:9091"]) expect(fromPage(own, own)).toBe(200);
    expect(curl("/rules").body).toEqual(listed);
  });

  test("a client that goes away in the middle of its request leaves no trace", async () => {
    reader.type(
      `exec 3<>/dev/tcp/127.0.0.1/9091; printf 'POST /rules?sourceAddr=1.2.3.4 HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\n[{' >&3`,
    );
    expect(curl("/rules").status).toBe(200);
    expect(server.output).not.toMatch(/abort/i);
  });

  test("a port that is taken, another address, the status script, and unloading", async () => {
    const taken = reader.try("bin/xdplbmgmt");
    expect(taken).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/cannot listen on 127\.0\.0\.1:9091\n {2}why: Another program/),
    });
    const elsewhere = reader.start(XDP_REDIRECT.serveElsewhere);
    await elsewhere.prints(/Server started, listening on (\[::\]|0\.0\.0\.0):9093\n/);
    const shown = await reader.watch("sbin/status.sh -p 9093", /^10\.11\..* \d+ +\d+$/m);
    expect(shown).toMatch(/^Server +MAC +ifindex +Forward Bytes +Forward Packages$/m);
    await elsewhere.interrupt();
    expect(reader.try("sbin/status.sh -p 9093")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("Accessing the webserver failed\n"),
    });
    expect(reader.try("bin/xdplbmgmt --address nonsense").status).toBe(2);
    expect(reader.try("sbin/load.sh").status).toBe(2);
    expect(reader.type(XDP_REDIRECT.unload)).toMatch(/^Removed "loadbal" \(id \d+\) from virbr0\. Rules and counters stay/);
    expect(reader.try(XDP_REDIRECT.unload)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("nothing was removed"),
    });
    // Loaded again, the rules are there.
    expect(reader.type(XDP_REDIRECT.load)).toContain("were there: rules and counters are as they were.");
    send("after", 41_000);
    await listener.prints(/:41000 after$/m);
  });
});
