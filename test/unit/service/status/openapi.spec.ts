import { Validator } from '@seriousme/openapi-schema-validator';
import { expect } from 'chai';

import { statusServerRoutes } from '../../../../src/service/status/routes/routes.ts';
import { OpenApi } from '../../../support/service/openapi.ts';
import { StatusRig } from '../../../support/service/status-rig.ts';

describe('The description of the HTTP API', () => {
  it('is a valid OpenAPI 3.1 document', async () => {
    const { document } = await OpenApi.load();
    const { valid, errors } = await new Validator().validate({ ...document });
    expect(errors).to.equal(undefined);
    expect(valid).to.equal(true);
  });

  it('has an operation for each route, and no other', async () => {
    const { context } = await StatusRig.create();
    const routes = statusServerRoutes(context).map(({ path }) => path);
    expect((await OpenApi.load()).paths).to.have.members(routes);
  });

  it('has an ID for each operation, which no other has', async () => {
    const { document } = await OpenApi.load();
    const ids = Object.values(document.paths).map(({ get }) => get.operationId);
    expect(new Set(ids).size).to.equal(ids.length);
  });
});
