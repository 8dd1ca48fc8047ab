import { createHash } from 'node:crypto';

import { after } from 'mocha';

import { PostgresServer } from './postgres-server.ts';

/** The real server of this test run, started when it is first asked for. */
class SharedServer {
  #url: Promise<string> | undefined;
  #server: PostgresServer | undefined;

  /** `KW_TEST_DATABASE_URL`, or a server that the run starts itself. It rejects where neither can be had: such tests are never left out silently. */
  async url(): Promise<string> {
    this.#url ??= this.#start();
    return await this.#url;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#url = undefined;
    this.#server = undefined;
    await server?.stop();
  }

  async #start(): Promise<string> {
    const given = process.env['KW_TEST_DATABASE_URL'];
    if (given !== undefined && given !== '') return given;
    this.#server = await PostgresServer.start();
    return this.#server.url;
  }
}

const shared = new SharedServer();

// A hook of the root suite: it runs once, after the last test of the run, whatever failed.
after('stop the PostgreSQL server of the test run', async () => await shared.stop());

/** The URL of the real server that the whole test run shares. */
export async function sharedPostgresUrl(): Promise<string> {
  return await shared.url();
}

/** The schema of one test: the same each time, so that what a failed test left is found, and different from every other's. */
export function schemaOf(fullTitle: string): string {
  return `kw_test_${createHash('sha256').update(fullTitle).digest('hex').slice(0, 16)}`;
}
