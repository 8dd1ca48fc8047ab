import type { Logger } from '../../index.ts';
import { type ConfigChange, changeOf } from './config-changes.ts';
import { ConfigError, formatIssue } from './config-error.ts';
import { watchFolderOf } from './file-watch.ts';
import { type ConfigSources, type LoadedConfig, loadConfig } from './load-config.ts';

/** Options of `watchConfig`. */
export interface WatchConfigOptions {
  readonly sources: ConfigSources;
  /** The configuration in force. */
  readonly loaded: LoadedConfig;
  /** Receives each change of keys that are applied while the service runs. */
  readonly onChange: (change: ConfigChange) => void;
  readonly logger: Logger;
  /** How long the folder is quiet before the file is read, in milliseconds. @defaultValue 500 */
  readonly quietMs?: number | undefined;
}

/**
 * Reads the configuration again when its file changes and at SIGHUP, and applies the keys that can change
 * while the service runs. An invalid configuration is logged, and the old one stays in force. Keys that
 * need a restart are logged.
 */
export function watchConfig(options: WatchConfigOptions): ConfigWatch {
  return new ConfigWatch(options);
}

/** A watch of the configuration of a running service. */
export class ConfigWatch {
  readonly #options: WatchConfigOptions;
  readonly #endFileWatch: () => void;
  readonly #onSignal = (): void => void this.reload();
  #current: LoadedConfig['config'];
  #reported = '';
  readonly #reloads = { OK: 0, INVALID: 0 };
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #reading = Promise.resolve();

  constructor(options: WatchConfigOptions) {
    this.#options = options;
    this.#current = options.loaded.config;
    process.on('SIGHUP', this.#onSignal);
    this.#endFileWatch = this.#watchFile(options.loaded.file);
  }

  /** How often the sources were read again, and how often they were invalid. */
  get reloads(): Readonly<Record<'OK' | 'INVALID', number>> {
    return this.#reloads;
  }

  /** Reads the sources again now. It never rejects: an invalid configuration is logged. */
  async reload(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    await this.#reading;
  }

  /** Ends the watch. Resolves when a reading that has begun has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    process.off('SIGHUP', this.#onSignal);
    this.#endFileWatch();
    await this.#reading;
  }

  #watchFile(file: string | undefined): () => void {
    if (file === undefined) return () => {};
    const { quietMs = 500, logger } = this.#options;
    return watchFolderOf(file, {
      onEvent: () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(this.#onSignal, quietMs);
      },
      onError: (error) =>
        logger.warn('the folder of the configuration is not watched: send SIGHUP after a change', { error }),
    });
  }

  async #read(): Promise<void> {
    const { logger } = this.#options;
    try {
      const { config } = await loadConfig(this.#options.sources);
      if (!this.#isClosed) this.#apply(changeOf(this.#current, config));
      this.#reloads.OK += 1;
    } catch (error) {
      this.#reloads.INVALID += 1;
      const issues = error instanceof ConfigError ? error.issues.map(formatIssue) : undefined;
      logger.error('the configuration cannot be applied, the old one stays in force', issues ? { issues } : { error });
    }
  }

  #apply(change: ConfigChange): void {
    const { logger, onChange } = this.#options;
    this.#current = change.config;
    const needRestart = change.needRestart.join(', ');
    // Each event of the folder reads the file again: the same finding is logged once.
    if (needRestart !== '' && needRestart !== this.#reported)
      logger.warn('the configuration has changes that need a restart', { keys: change.needRestart });
    this.#reported = needRestart;
    if (change.applied.length === 0) return;
    logger.info('the configuration has changed', { keys: change.applied });
    onChange(change);
  }
}
