"""What was measured: medians with the least and the most, ratios made round by round, as a table and as JSON."""
import json
import platform
import statistics

FORMAT = 1


def machine():
    """What to know of it when reading figures; not its name."""
    model = 'unknown'
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        for line in file:
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
                break
    with open('/proc/meminfo', encoding='utf-8') as file:
        memory = int(file.readline().split()[1]) // 1024
    import os
    return {'processors': os.cpu_count(), 'model': model, 'memory_mib': memory, 'kernel': platform.release().split('-')[0]}


def judged(figure, median):
    if figure.at_least is not None:
        return median >= figure.at_least
    if figure.at_most is not None:
        return median <= figure.at_most
    return None


def summary(figure, rounds):
    values = [figure.of(reports) for reports in rounds]
    median = statistics.median(values)
    target = None
    if figure.at_least is not None:
        target = {'at_least': figure.at_least}
    elif figure.at_most is not None:
        target = {'at_most': figure.at_most}
    return {'name': figure.name, 'unit': figure.unit, 'median': median, 'least': min(values), 'most': max(values),
            'values': values, 'target': target, 'reached': judged(figure, median)}


def result(workload, rounds):
    return {'name': workload.name, 'what': workload.what, 'rounds': len(rounds),
            'figures': [summary(figure, rounds) for figure in workload.figures()], 'reports': rounds}


def write(path, results, size):
    document = {'format': FORMAT, 'size': size, 'machine': machine(), 'workloads': results}
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(document, file, indent=1)
        file.write('\n')


def read(path):
    with open(path, encoding='utf-8') as file:
        document = json.load(file)
    if document.get('format') != FORMAT:
        raise ValueError(f'{path}: not a result of tools/bench of this version')
    return document


def short(number):
    if number == 0:
        return '0'
    if abs(number) >= 1000:
        return f'{number:,.0f}'
    if abs(number) >= 10:
        return f'{number:.1f}'
    return f'{number:.2f}' if abs(number) >= 0.01 else f'{number:.4f}'


def target_text(figure):
    if not figure['target']:
        return ''
    (kind, bound), = figure['target'].items()
    mark = {True: 'reached', False: 'NOT reached'}[figure['reached']]
    return f"{'>=' if kind == 'at_least' else '<='} {short(bound)}  {mark}"


def table(results):
    lines = []
    for one in results:
        lines += ['', f"{one['name']}: {one['what']} ({one['rounds']} rounds)"]
        # Ratios and what has a target first: they are what holds on another machine.
        figures = sorted(one['figures'], key=lambda figure: figure['target'] is None and figure['unit'] != 'x')
        width = max(len(figure['name']) for figure in figures)
        for figure in figures:
            span = f"{short(figure['least'])} – {short(figure['most'])}"
            lines.append(f"  {figure['name']:<{width}}  {short(figure['median']):>10} {figure['unit']:<6} {span:<24} "
                         f"{target_text(figure)}".rstrip())
    return '\n'.join(lines)


def compare(old, new):
    """By figure: the medians, and whether their spans overlap; what does not is a change."""
    lines = []
    before = {(one['name'], figure['name']): figure for one in old['workloads'] for figure in one['figures']}
    for one in new['workloads']:
        lines += ['', one['name']]
        width = max(len(figure['name']) for figure in one['figures'])
        for figure in one['figures']:
            was = before.get((one['name'], figure['name']))
            if was is None:
                lines.append(f"  {figure['name']:<{width}}  {'new':>12} {short(figure['median']):>12} {figure['unit']}")
                continue
            apart = figure['least'] > was['most'] or figure['most'] < was['least']
            change = f"{100 * (figure['median'] / was['median'] - 1):+.1f} %" if was['median'] else ''
            lines.append(f"  {figure['name']:<{width}}  {short(was['median']):>12} {short(figure['median']):>12} "
                         f"{figure['unit']:<6} {change:>9}  {'spans apart' if apart else ''}".rstrip())
    return '\n'.join(lines)
