/** Whatever is asked, the API answers that the request is wrong and not that the service is; `npm run bench -- --api` asks 100,000 times. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listen } from "../../src/balancer/api/listen.ts";
import { type App, makeApi } from "../../src/balancer/api/server.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { SEED } from "../property.ts";
import { askRaw, malformedRequests, wireForm } from "./malformed.ts";
import { TestBalancers } from "./test-balancer.ts";

const COUNT = 3000;

describe.skipIf(noKernel)(`malformed requests${withoutKernel}`, () => {
  let balancers: TestBalancers;
  let app: App;
  let port: number;
  beforeAll(async () => {
    balancers = new TestBalancers();
    app = await makeApi(await balancers.start(), { onStop: () => {} });
    ({ port } = await listen(app, { host: "127.0.0.1", port: 0 }));
  });
  afterAll(async () => {
    await app?.close();
    await balancers?.end();
  });

  test(`${COUNT} malformed requests give no 5xx, and each refusal is problem details`, async () => {
    const requests = malformedRequests(SEED);
    const statuses = new Map<number, number>();
    for (let count = 0; count < COUNT; count++) {
      const request = requests.next().value;
      const { status, type, body } = await askRaw(port, wireForm(request));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 0 || status >= 500) throw new Error(`${status} for ${JSON.stringify(request)}: ${body}`);
      if (status >= 400 && request.method !== "HEAD") {
        expect(type, JSON.stringify(request)).toBe("application/problem+json");
        expect(JSON.parse(body)).toMatchObject({ status, code: expect.any(String), detail: expect.any(String) });
      }
    }
    // All kinds of refusals were met.
    expect([...statuses.keys()].sort()).toEqual(expect.arrayContaining([200, 400, 403, 404, 405, 412, 415, 421, 422]));
  });

  test.each([
    ["no HTTP at all", "hello\r\n\r\n", 400],
    ["a header without a colon", "GET / HTTP/1.1\r\nnonsense\r\n\r\n", 400],
    ["no Host", "GET /status HTTP/1.1\r\n\r\n", 400],
    ["two lengths", "PUT /state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
    [
      "a length and chunks",
      "PUT /state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    ["20 KiB of headers", `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_480)}\r\n\r\n`, 431],
    ["a method that there is not", "BREW /status HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ])("%s is answered with an error of its own", async (_, text, status) => {
    expect((await askRaw(port, Buffer.from(text))).status).toBe(status);
  });
});
