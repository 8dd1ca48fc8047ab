import { createHash } from 'node:crypto';

import { PostgresServer } from './postgres-server.ts';

/**
 * The real server of this test process. It starts on first use and ends with the process, however
 * that ends.
 */
class SharedServer {
  #url: Promise<string> | undefined;

  /**
   * Returns `KW_TEST_DATABASE_URL`, or the URL of a server that this process starts. Rejects if
   * neither is possible, so that no test is skipped silently.
   */
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

/** Returns the URL of the real server that all tests of this process share. */
export async function sharedPostgresUrl(): Promise<string> {
  return await shared.url();
}

/**
 * Returns the schema of one test. It is unique to the test and the same in each run, so that the
 * next run can drop the schema of a failed test.
 */
export function schemaOf(fullTitle: string): string {
  return `kw_test_${createHash('sha256').update(fullTitle).digest('hex').slice(0, 16)}`;
}
