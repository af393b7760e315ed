#!/usr/bin/env python3
"""The second wall (tools/deploy): its files can be loaded, and refuse the same networks as the engine.

nftables and PyYAML read them where they are installed; the lists are compared in any case.

usage: deploy_test.py REPOSITORY
"""
import ipaddress
import os
import re
import shutil
import subprocess
import sys

try:
    import yaml
except ImportError:
    yaml = None

GLOBAL_UNICAST = ipaddress.ip_network('2000::/3')


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8') as file:
        return file.read()


def collapsed(networks):
    """By family, without what another one holds."""
    networks = [ipaddress.ip_network(network) for network in networks]
    return [list(ipaddress.collapse_addresses(n for n in networks if n.version == version)) for version in (4, 6)]


def engine_blocks(root):
    """The engine's own table, less what lies outside 2000::/3, where IPv6 is refused anyway."""
    found = []
    for family, table in re.findall(r'kBlocksV(\d)\[\] = \{(.*?)\n\};', read(root, 'engine/core/target_address.cc'), re.S):
        length = 4 if family == '4' else 16
        for numbers, bits in re.findall(r'\{\{([^}]*)\}, (\d+), "', table):
            values = [int(number, 0) for number in numbers.split(',')]
            packed = bytes(values + [0] * (length - len(values)))
            network = ipaddress.ip_network((packed, int(bits)))
            if network.version == 4 or network.subnet_of(GLOBAL_UNICAST):
                found.append(network)
    assert len(found) > 20, found
    return collapsed(found)


def nft_blocks(root):
    text = read(root, 'tools/deploy/egress.nft')
    return collapsed(re.findall(r'[0-9a-f.:]+/\d+', ' '.join(re.findall(r'elements = \{(.*?)\}', text, re.S))))


def policy_blocks(root):
    text = read(root, 'tools/deploy/network-policy.yaml')
    return collapsed(re.findall(r'^ +- ([0-9a-f.:]+/\d+)$', text, re.M))


def check_nft(root):
    if not shutil.which('nft'):
        return 'nft is not installed: egress.nft was not loaded'
    command = ['nft', '-c', '-f', os.path.join(root, 'tools/deploy/egress.nft')]
    # In a network of its own: to check needs the right to change.
    for prefix in (['unshare', '--net'], ['unshare', '--user', '--map-root-user', '--net']):
        if subprocess.run([*prefix, 'true'], capture_output=True).returncode == 0:
            done = subprocess.run([*prefix, *command], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return 'nft accepts egress.nft'
    return 'no network namespace may be made: egress.nft was not loaded'


def check_policy(root):
    if yaml is None:
        return 'PyYAML is not installed: network-policy.yaml was not parsed'
    policy = yaml.safe_load(read(root, 'tools/deploy/network-policy.yaml'))
    assert (policy['apiVersion'], policy['kind']) == ('networking.k8s.io/v1', 'NetworkPolicy')
    assert policy['spec']['policyTypes'] == ['Ingress', 'Egress'] and policy['spec']['ingress'] == []
    dns, web = policy['spec']['egress']
    assert {(port['protocol'], port['port']) for port in dns['ports']} == {('UDP', 53), ('TCP', 53)}
    assert web['ports'] == [{'protocol': 'TCP', 'port': 443}]
    for block in web['to']:
        whole = ipaddress.ip_network(block['ipBlock']['cidr'])
        for part in block['ipBlock']['except']:  # the API server refuses one outside
            assert ipaddress.ip_network(part).subnet_of(whole), part
    listed = [part for block in web['to'] for part in block['ipBlock']['except']]
    assert collapsed(listed) == policy_blocks(root)
    return 'network-policy.yaml says what it means'


def main():
    root = sys.argv[1]
    wanted = engine_blocks(root)
    for name, blocks in (('egress.nft', nft_blocks(root)), ('network-policy.yaml', policy_blocks(root))):
        for ours, theirs in zip(wanted, blocks):
            missing = [str(n) for n in ours if n not in theirs]
            extra = [str(n) for n in theirs if n not in ours]
            assert not missing and not extra, f'{name}: missing {missing}, more than the engine {extra}'
    print(check_nft(root))
    print(check_policy(root))


if __name__ == '__main__':
    main()
