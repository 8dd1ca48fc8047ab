import { createHash } from 'node:crypto';

import { PostgresServer } from './postgres-server.ts';

/**
 * The real server of this test process, started when it is first asked for. Nobody needs to stop it: it ends with the process, however that ends.
 */
class SharedServer {
  #url: Promise<string> | undefined;

  /** `KW_TEST_DATABASE_URL`, or a server that the run starts itself. It rejects where neither can be had: such tests are never left out silently. */
  async url(): Promise<string> {
    this.#url ??= this.#start();
    return await this.#url;
  }

  async #start(): Promise<string> {
    const given = process.env['KW_TEST_DATABASE_URL'];
    if (given !== undefined && given !== '') return given;
    return (await PostgresServer.start()).url;
  }
}

const shared = new SharedServer();

/** The URL of the real server that all tests of this process share. */
export async function sharedPostgresUrl(): Promise<string> {
  return await shared.url();
}

/** The schema of one test: the same each time, so that what a failed test left is found, and different from every other's. */
export function schemaOf(fullTitle: string): string {
  return `kw_test_${createHash('sha256').update(fullTitle).digest('hex').slice(0, 16)}`;
}
