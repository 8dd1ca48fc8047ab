import { open } from 'node:fs/promises';
import { codeOf } from '../error-facts.ts';
import { ConfigError } from './config-error.ts';

/** The maximum size of a file with a secret. */
const maxBytes = 65_536;

/**
 * Reads a secret from a file, without the end of its last line.
 *
 * @param key - the key of the configuration that has the path of the file
 * @throws ConfigError if the file cannot be read or is empty; it names the key
 */
export async function readSecretFile(key: string, file: string): Promise<string> {
  const fail = (problem: string): ConfigError => new ConfigError([{ path: key, problem: `${file} ${problem}` }]);
  const text = await textOf(file, fail);
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') throw fail('is empty');
  return secret;
}

async function textOf(file: string, fail: (problem: string) => ConfigError): Promise<string> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    if (size > maxBytes) throw fail(`has ${size} bytes; the maximum is ${maxBytes}`);
    return await handle.readFile('utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw fail(`cannot be read (${codeOf(error) ?? 'unknown error'})`);
  }
}
