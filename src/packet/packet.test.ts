/** Packets built, taken apart and compared; scapy and tshark say what is right. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { failure } from "../../test/failure.ts";
import { lacking, output, temporaryDirectory } from "../../test/foreign-tools.ts";
import { lackingScapy, scapy } from "../../test/net/scapy.ts";
import { WirescriptError } from "../errors.ts";
import { buildPacket } from "./build.ts";
import { decodePacket } from "./decode.ts";
import { comparePackets } from "./difference.ts";
import { hex, parseHex } from "./hex.ts";
import { readCapture, writeCapture } from "./pcap.ts";

/** Ours, and scapy's words for the same packet. */
const SAME: [ours: string, scapys: string][] = [
  ["eth/ip/udp(dport=53)/payload", "E/IP(src=A,dst=B,id=0)/UDP(sport=40000,dport=53)/Raw(ABC)"],
  [
    'eth(dst=ff:ff:ff:ff:ff:ff)/vlan(id=7,pcp=3)/ip(ttl=1,tos=0xb8)/tcp(dport=443,flags=SYN|ACK,seq=5,ack=6)/payload(text="hi")',
    'Ether(dst="ff:ff:ff:ff:ff:ff",src="02:00:00:00:00:01")/Dot1Q(vlan=7,prio=3)/IP(src=A,dst=B,id=0,ttl=1,tos=0xb8)/TCP(sport=40000,dport=443,flags="SA",seq=5,ack=6,window=64240)/Raw(b"hi")',
  ],
  [
    "eth/ip6(src=fd00::7,dst=fd00::8,hlim=3)/tcp/payload(length=31)",
    'E/IPv6(src="fd00::7",dst="fd00::8",hlim=3)/TCP(sport=40000,dport=80,flags="S",window=64240)/Raw((ABC+ABC)[:31])',
  ],
  ["eth/ip6/icmp6/payload", 'E/IPv6(src="fd00::1",dst="fd00::2")/ICMPv6EchoRequest(id=1,seq=1,data=ABC)'],
  ["eth/ip/icmp(id=9,seq=2)/payload(hex=00ff)", 'E/IP(src=A,dst=B,id=0)/ICMP(id=9,seq=2)/Raw(b"\\x00\\xff")'],
  [
    "eth/ip6/hopopts/udp/payload",
    'E/IPv6(src="fd00::1",dst="fd00::2")/IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\\0\\0\\0\\0")])/UDP(sport=40000,dport=9)/Raw(ABC)',
  ],
  [
    "eth/ip/gre/ip(src=192.168.0.1,dst=192.168.0.2)/udp/payload",
    'E/IP(src=A,dst=B,id=0)/GRE()/IP(src="192.168.0.1",dst="192.168.0.2",id=0)/UDP(sport=40000,dport=9)/Raw(ABC)',
  ],
  [
    "eth/ip/gre(key=77)/ip6/udp",
    'E/IP(src=A,dst=B,id=0)/GRE(key_present=1,key=77)/IPv6(src="fd00::1",dst="fd00::2")/UDP(sport=40000,dport=9)',
  ],
  [
    "eth/ip/udp/vxlan(vni=42)/eth/ip/icmp",
    "E/IP(src=A,dst=B,id=0)/UDP(sport=40000,dport=4789)/VXLAN(vni=42,flags=8)/E/IP(src=A,dst=B,id=0)/ICMP(id=1,seq=1)",
  ],
  ["eth/ip/ip/udp/payload", "E/IP(src=A,dst=B,id=0)/IP(src=A,dst=B,id=0)/UDP(sport=40000,dport=9)/Raw(ABC)"],
  [
    "eth/arp(op=reply,sha=02:00:00:00:00:01,tha=02:00:00:00:00:02)",
    'E/ARP(op=2,hwsrc="02:00:00:00:00:01",hwdst="02:00:00:00:00:02",psrc=A,pdst=B)',
  ],
  ["eth/ip(options=94040000)/udp", "E/IP(src=A,dst=B,id=0,options=[IPOption_Router_Alert()])/UDP(sport=40000,dport=9)"],
  ["eth/ip/tcp(options=02040578)", 'E/IP(src=A,dst=B,id=0)/TCP(sport=40000,flags="S",window=64240,options=[("MSS",1400)])'],
];

const SCAPY = `
A, B, ABC = "10.0.0.1", "10.0.0.2", b"abcdefghijklmnopqrstuvwxyz"
E = Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
`;

const names = (packet: Uint8Array) => decodePacket(packet).map(({ protocol }) => protocol);
const problems = (packet: Uint8Array) => decodePacket(packet).flatMap((layer) => layer.problems);

describe.skipIf(lackingScapy !== "")(`as scapy makes them${lackingScapy}`, () => {
  test("every packet has the same bytes, is found to be right, and has the layers that it was built of", () => {
    const list = SAME.map(([, packet]) => `print(json.dumps({"hex": bytes(${packet}).hex()}))`).join("\n");
    const expected = scapy<{ hex: string }>(SCAPY + list);
    for (const [index, [ours]] of SAME.entries()) {
      const packet = buildPacket(ours);
      expect(`${ours}: ${hex(packet)}`).toBe(`${ours}: ${expected[index]?.hex}`);
      expect(problems(packet)).toEqual([]);
      expect(names(packet)).toEqual(ours.split("/").map((layer) => layer.replace(/\(.*/, "")));
    }
  });

  test("random packets of scapy's have no problems, and layers that cover all bytes", () => {
    const made = scapy<{ hex: string }>(`${SCAPY}
for i in range(200):
    net = random.choice([lambda: IP(src=RandIP()._fix(), dst=RandIP()._fix(), ttl=i % 256), lambda: IPv6(src="fd00::%x" % i, dst="fd01::%x" % i)])
    up = random.choice([lambda: UDP(sport=random.randrange(10000,60000), dport=random.randrange(10000, 60000)), lambda: TCP(sport=i, flags=random.randrange(256), options=random.choice([[], [("MSS", 1400)], [("Timestamp", (1, 2))]]))])
    tag = random.choice([lambda p: p, lambda p: Dot1Q(vlan=i)/p, lambda p: Dot1AD(vlan=1)/Dot1Q(vlan=i)/p])
    tunnel = random.choice([lambda p: p, lambda p: IP(src=A,dst=B)/UDP(sport=1,dport=4789)/VXLAN(vni=i)/E/p, lambda p: IP(src=A,dst=B)/GRE()/p, lambda p: IP(src=A,dst=B)/UDP(sport=2,dport=6081)/GENEVE(vni=i)/E/p])
    print(json.dumps({"hex": bytes(E/tag(tunnel(net()/up()/Raw(bytes(random.randrange(256) for _ in range(random.randrange(60))))))).hex()}))
`);
    expect(made).toHaveLength(200);
    for (const { hex: text } of made) {
      const packet = parseHex(text);
      expect([text, problems(packet)]).toEqual([text, []]);
      const layers = decodePacket(packet);
      expect(layers.reduce((sum, { length }) => sum + length, 0)).toBe(packet.length);
      // A checksum that does not fit is noticed.
      const tcp = layers.findLast(({ protocol }) => protocol === "tcp");
      if (tcp === undefined) continue;
      packet[tcp.offset + 4] = (packet[tcp.offset + 4] ?? 0) ^ 1;
      expect(problems(packet).length).toBeGreaterThan(0);
    }
  });

  test("reads what scapy writes: pcap, pcapng, nanoseconds, big-endian", () => {
    const directory = temporaryDirectory();
    scapy(`${SCAPY}
p = [E/IP(src=A,dst=B)/UDP()/Raw(b"x" * n) for n in (0, 1, 2, 3, 1400)]
wrpcap("${directory}/a.pcap", p)
wrpcap("${directory}/b.pcap", p, nano=True)
wrpcap("${directory}/c.pcap", p, endianness=">")
wrpcapng("${directory}/d.pcapng", p)
wrpcap("${directory}/ip.pcap", [IP(src=A,dst=B)/UDP()])
`);
    const [first, ...others] = ["a.pcap", "b.pcap", "c.pcap", "d.pcapng"].map((file) =>
      readCapture(readFileSync(`${directory}/${file}`), file).map(hex),
    );
    expect(first?.map((frame) => frame.length / 2)).toEqual([42, 43, 44, 45, 1442]);
    for (const other of others) expect(other).toEqual(first);
    const error = failure(() => readCapture(readFileSync(`${directory}/ip.pcap`), "ip.pcap"));
    expect(error).toMatchObject({ code: "BAD_FILE", message: expect.stringContaining("no Ethernet") });
  });
});

test.skipIf(lacking("tshark", "editcap") !== "")(
  `tshark reads what we write, and we read what editcap makes of it${lacking("tshark", "editcap")}`,
  () => {
    const directory = temporaryDirectory();
    const frames = [buildPacket("eth/ip/udp(dport=53)/payload"), buildPacket("eth/ip6/tcp")];
    writeFileSync(`${directory}/ours.pcap`, writeCapture(frames));
    const seen = output("tshark", "-r", `${directory}/ours.pcap`, "-T", "fields", "-e", "_ws.col.Protocol", "-e", "frame.len");
    expect(
      seen
        .trim()
        .split("\n")
        .map((line) => line.split("\t")[1]),
    ).toEqual(frames.map(({ length }) => `${length}`));
    for (const format of ["pcapng", "nsecpcap"]) {
      spawnSync("editcap", ["-F", format, `${directory}/ours.pcap`, `${directory}/theirs`]);
      expect(readCapture(readFileSync(`${directory}/theirs`), "theirs").map(hex)).toEqual(frames.map(hex));
    }
    spawnSync("editcap", ["-s", "20", `${directory}/ours.pcap`, `${directory}/cut`]);
    expect(failure(() => readCapture(readFileSync(`${directory}/cut`), "cut")).why).toContain("only 20 of 68 bytes");
  },
);

describe("packets", () => {
  test("hexadecimal text in the forms that tools print", () => {
    for (const text of ["0a00ff01", "0x0a00ff01", "0a 00\nff 01", "0a:00:ff:01", "0A-00-FF-01"])
      expect(hex(parseHex(text))).toBe("0a00ff01");
    expect(failure(() => parseHex("0a0")).why).toContain("3 digits");
    expect(failure(() => parseHex("0axy")).why).toBe('Digit 3 is "x".');
  });

  test("says what is wrong with a packet instead of refusing it", () => {
    const packet = buildPacket("eth/ip/udp/payload");
    expect(problems(packet.subarray(0, 40))).toEqual([
      "it states 34 bytes behind the header, and there are 6",
      "the UDP header that follows is cut off",
    ]);
    expect(problems(packet.subarray(0, 20))).toEqual(["the IPv4 header that follows is cut off"]);
    expect(problems(buildPacket("eth/ip(ihl=15)/udp"))).toContain("its header of 60 bytes is cut off after 28");
    expect(problems(buildPacket("eth/ip(chksum=1)/udp"))).toEqual(["the checksum should be 0x66cf"]);
    expect(problems(buildPacket("eth/ip/udp(chksum=0)"))).toEqual([]);
    expect(problems(buildPacket("eth/ip/udp(len=100)"))).toEqual(["it states 92 bytes behind the header, and there are 0"]);
    expect(names(Uint8Array.from([...buildPacket("eth/ip/udp"), 0, 0, 0]))).toEqual(["eth", "ip", "udp", "padding"]);
    expect(names(new Uint8Array(0))).toEqual([]);
    expect(names(new Uint8Array(5))).toEqual(["payload"]);
  });

  test("a quoted packet in an ICMP error need not be whole", () => {
    const packet = buildPacket("eth/ip/icmp(type=3,code=4,rest=1400)/ip(len=1500)/udp(len=1480,chksum=1)/payload");
    expect(names(packet)).toEqual(["eth", "ip", "icmp", "ip", "udp", "payload"]);
    expect(problems(packet)).toEqual([]);
  });

  test("no bytes whatever make it fail", () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) & 0x7fff_ffff;
      return seed >> 8;
    };
    for (let round = 0; round < 3000; round++) {
      const packet = buildPacket(SAME[round % SAME.length]?.[0] ?? "eth");
      for (let change = 0; change < 3; change++) packet[random() % packet.length] = random();
      const part = packet.subarray(0, random() % (packet.length + 1));
      expect(decodePacket(part).reduce((sum, { length }) => sum + length, 0)).toBe(part.length);
    }
  });

  test.each([
    ["ip/udp", /begin with eth/],
    ["", /character 1/],
    ["eth//ip", /character 5/],
    ["eth/ip(", /character 8.*/],
    ["eth/ip(src)", /character/],
    ["eth/ip(src=1.2.3)", /no IP address/],
    ["eth/ip(src=fd00::1)", /ip\.src cannot be/],
    ["eth/ip(ttl=256)", /ip\.ttl cannot be "256"/],
    ["eth/ip(colour=1)", /no field "colour"/],
    ["eth/quic", /no protocol "quic"/],
    ["eth/arp/udp", /udp cannot follow arp/],
    ["eth/payload/ip", /follows the payload/],
    ["eth/payload(x=1)", /payload is not understood/],
    ["eth/tcp(flags=NONE)", /tcp\.flags cannot be/],
    ["eth/ip/tcp(options=0102)", /cannot have these options/],
    ["eth/ip/icmp(type=3,id=1)", /icmp has no id here/],
  ])("a description that makes no sense: %s", (text, what) => {
    const error = failure(() => buildPacket(text));
    expect(error.code).toBe("USAGE");
    expect(error.message).toMatch(what);
    expect(error.why).toMatch(/\S/);
    expect(error.fix).toMatch(/\S/);
  });
});

describe("differences", () => {
  const changes = (before: string, after: string) =>
    comparePackets(decodePacket(buildPacket(before)), decodePacket(buildPacket(after)))
      .filter(({ changes }) => changes.length > 0)
      .map(({ before, after, changes }) => ({
        layer: before === null ? `+${after?.protocol}` : after === null ? `-${before.protocol}` : before.protocol,
        fields: changes.map(({ field }) => field),
      }));

  test("a forwarded packet", () => {
    expect(changes("eth/ip/udp", "eth(src=02:00:00:00:00:09)/ip(ttl=63)/udp")).toEqual([
      { layer: "eth", fields: ["src"] },
      { layer: "ip", fields: ["ttl", "checksum"] },
    ]);
    expect(changes("eth/ip/udp", "eth/ip/udp")).toEqual([]);
  });

  test("a tag pushed, and one popped", () => {
    expect(changes("eth/ip/udp", "eth/vlan(id=5)/ip/udp").map(({ layer }) => layer)).toEqual(["eth", "+vlan"]);
    expect(changes("eth/vlan(id=5)/vlan(id=6)/ip", "eth/vlan(id=6)/ip").map(({ layer }) => layer)).toEqual(["-vlan"]);
  });

  test("of two IP headers, the inner one is the old one", () => {
    expect(changes("eth/ip/tcp", "eth/ip(src=192.0.2.1,dst=192.0.2.2)/ip/tcp").map(({ layer }) => layer)).toEqual(["+ip"]);
    expect(changes("eth/ip(src=192.0.2.1,dst=192.0.2.2)/ip/tcp", "eth/ip/tcp").map(({ layer }) => layer)).toEqual(["-ip"]);
  });
});

describe("capture files", () => {
  test("come back as they were written", () => {
    const frames = [buildPacket("eth/ip/udp"), new Uint8Array(0), new Uint8Array(1500).fill(7)];
    expect(readCapture(writeCapture(frames), "x")).toEqual(frames);
    expect(readCapture(writeCapture([]), "x")).toEqual([]);
  });

  test("that are damaged are refused with the reason", () => {
    const whole = writeCapture([buildPacket("eth/ip/udp")]);
    expect(failure(() => readCapture(new Uint8Array(3), "f")).why).toContain("neither");
    expect(failure(() => readCapture(whole.subarray(0, 30), "f")).why).toContain("within the header of frame 1");
    expect(failure(() => readCapture(whole.subarray(0, 60), "f")).why).toContain("Frame 1 is cut off");
    let seed = 3;
    for (let round = 0; round < 2000; round++) {
      const copy = whole.slice();
      seed = (seed * 1103515245 + 12345) & 0x7fff_ffff;
      copy[(seed >> 8) % copy.length] = seed >> 16;
      try {
        readCapture(copy, "f");
      } catch (error) {
        expect(error).toBeInstanceOf(WirescriptError);
      }
    }
  });
});
