/** Where nothing is: 404 for a path that there is not, 405 for one that takes other methods. */
import type { FastifyInstance } from "fastify";
import { Refusal } from "./problem.ts";

/** Watches which routes come, and then says what is wrong with a request that found none. */
export function missingRoutes(app: FastifyInstance): (method: string, url: string) => Refusal {
  const routes = new Map<string, { path: RegExp; methods: Set<string> }>();
  app.addHook("onRoute", ({ url, method }) => {
    const path = new RegExp(
      `^${url
        .replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll(/:[A-Za-z]+/g, "[^/]+")}$`,
    );
    const known = routes.get(url) ?? { path, methods: new Set<string>() };
    for (const each of [method].flat()) known.methods.add(each);
    routes.set(url, known);
  });
  return (method, url) => {
    const path = url.split("?", 1)[0] ?? "";
    const allowed = new Set(
      [...routes.values()].filter((route) => route.path.test(path)).flatMap(({ methods }) => [...methods]),
    );
    if (allowed.size === 0) {
      return new Refusal({
        status: 404,
        code: "no-route",
        detail: "There is nothing at this path.",
        fix: "See /docs, or /openapi.json, for what there is.",
      });
    }
    const allow = [...allowed].sort().join(", ");
    return new Refusal({
      status: 405,
      code: "no-method",
      detail: `${method} is none of the methods of this path.`,
      fix: `It has ${allow}.`,
      headers: { allow },
    });
  };
}
