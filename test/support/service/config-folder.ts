import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type ConfigSources, type LoadedConfig, loadConfig } from '../../../src/service/config/load-config.ts';

/** A temporary folder with configuration files. */
export class ConfigFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<ConfigFolder> {
    return new ConfigFolder(await mkdtemp(join(tmpdir(), 'kw-config-')));
  }

  /** Writes a file, and returns its path. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.path, name);
    await writeFile(path, text);
    return path;
  }

  /** Loads a configuration whose file has this text. */
  async load(text: string, sources: Partial<ConfigSources> = {}): Promise<LoadedConfig> {
    const file = await this.write('config.yaml', text);
    return await loadConfig({ env: {}, ...sources, file });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}
