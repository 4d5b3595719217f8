import { defineConfig } from "vitest/config";

const COMPILING = ["src/compiler/**/*.test.ts", "test/language/**/*.test.ts"];

export default defineConfig({
  resolve: { conditions: ["wirescript-source"] },
  ssr: { resolve: { conditions: ["wirescript-source"] } },
  test: {
    // Namespaces and system calls belong to a process's main thread, so every file gets a process of its own.
    pool: "forks",
    maxWorkers: 2,
    // As the command does it: src/cli/own-code.ts.
    execArgv: Number.parseInt(process.versions.v8, 10) < 12 ? ["--interrupt-budget=500000"] : [],
    reporters: ["default", "./scripts/failed-reporter.js"],
    // For what hangs only: no test is judged by a clock, and a busy machine takes ten times as long.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "source",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["node_modules", "test/cli", "test/tutorials", "test/balancer/lab", ...COMPILING],
        },
      },
      {
        // These compile small programs by the hundred, and do nothing to their process: in one, TypeScript and its library are read once.
        extends: true,
        test: { name: "compiler", include: COMPILING, isolate: false },
      },
      {
        // These run the built command, so it is built before, once, if it is not.
        extends: true,
        test: {
          name: "command",
          include: ["test/cli/**/*.test.ts", "test/tutorials/**/*.test.ts", "test/balancer/lab/**/*.test.ts"],
          globalSetup: "test/cli/prepare.ts",
        },
      },
    ],
  },
});
