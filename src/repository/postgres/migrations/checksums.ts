/**
 * The SHA-256 of the statements of each migration, which the database stores. They are constants, so
 * that another version of kysely, which may write the same statement in another way, does not change
 * them.
 */
export const checksums: Readonly<Record<string, string>> = {
  '0001-initial': 'e9fb5315249fd2b02d927544e87277bf48d906297251f5ba77a622975b730825',
  '0002-process-facts': '0ca9211ddd451cb70418ee7dc4a67edd5cc0594021f3842736f03d86323ef207',
  '0003-lease-generation': '22cccafb871486d1935912b052105811128fc181c2c7ee07dc712186b1e6489a',
  '0004-output-sizes': 'a97bff7529566acee0213573ee031a3162663341c1f71b508d148fb6b9d50b7b',
  '0005-spec-digest': '971d4f05aeb6c061e64de6c48ce7839701f9013a61a38226e489a906fefdb637',
  '0006-finished-owners': 'd4a659d4f7e39f26bb06b7edb53c5fda13e54d366a50e7ec3ba25cf746c8d730',
  '0007-container-lists': 'b9a6987044c7fcda8eb311e9f6960d085ad1c85334991d9ba7dfcf788d40d4e5',
  '0008-process-times': '35a2ad880775c43cd6b8d95fa5b13530630cbd7151ca40be9e3162330b51bc05',
  '0009-process-digest': '8360b8461b03a084a2794386a9309ae738fecf37d23725d6dfca8136f1a00eea',
  '0010-reaper-lease': '387156e5ae5562b9d51753f33f00292abc05e338759cb53f1d799887919729dc',
  '0011-worker-states': '83800645e0f8b311e1a8e698321ec0558074f631be0e53d3ddef9be48a37b076',
  '0012-retention': 'c375060857b71c3a443b70f70f6418e0550a4b391a0ae101246ab118342db6da',
  '0013-caches': 'd914102d41145430d6447566922e1d4ae263bd2ebb4601d055f984d81b7211eb',
  '0014-reservations': '9ff9300181d12863484f52596cb1c00631ea47404f452651161f5adf1fce47f1',
  '0015-migration-checksums': '2bc7237db88be0843c496421d424e692aa3c29ea3f844f49c85939f5cc2f3328',
  '0016-archives': '41d2e5d81fc36951fe7d3e67414eec0523a437bc479db826c2826683683d3d88',
  '0017-volume-lists': 'faea7c3947ec8ee1d4b9d4611dfa1a520560ffaa091750d79b00f7d6cd5d491f',
  '0018-archives-by-digest': '8356fd8fc8366d8ff32fa820d86140ec5ec200b2a2311e43124c0fe5fca8a543',
  '0019-compatible-from': 'cda8cd00099470d8377e377bfe6e7ca9cfa5ecddd3a3940e90dcbcae1c48a09c',
  '0020-lists-by-kind': '5c025cae540c87f8eeb08f760fa48a5b7b8394b37a1778ac85430a9d3063c9c6',
  '0021-started-hijacks': '1f5f13b752bb0926d94cc59f6d318073daf53df8d29ab5f31512795751ab350f',
};
