// A program that opens a database and says which installation it found: the other process of `open-repository.spec.ts`.
import { openRepository } from '../../../src/repository/postgres/open-repository.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const [url = '', schema = ''] = process.argv.slice(2);
const repository = await openRepository(url, { schema, logger: silentLogger });
const { installationId } = await repository.workers.register('worker');
await repository.close();
process.stdout.write(installationId);
