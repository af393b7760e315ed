"""One SVG for each workload: a bar for each figure of one unit, with a whisker from the least to the most."""
from html import escape

BAR, GAP, LEFT, WIDTH, RIGHT = 18, 8, 330, 420, 190
INK, BARS, REACHED, MISSED, PAPER = '#1f2933', '#5b7fa6', '#3a7d44', '#b23b3b', '#ffffff'


def short(number):
    return f'{number:,.0f}' if abs(number) >= 1000 else f'{number:.3g}'


def bar(figure, y, scale):
    color = {None: BARS, True: REACHED, False: MISSED}[figure['reached']]
    least, most = LEFT + figure['least'] * scale, LEFT + figure['most'] * scale
    middle = y + BAR / 2
    text = f"{short(figure['median'])} {figure['unit']}"
    if figure['target']:
        (kind, bound), = figure['target'].items()
        text += f"  (target {'≥' if kind == 'at_least' else '≤'} {short(bound)})"
    return [f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(figure["name"])}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{max(figure["median"] * scale, 1):.1f}" height="{BAR}" fill="{color}"/>',
            f'<path d="M{least:.1f} {middle}H{most:.1f}M{least:.1f} {middle - 4}v8M{most:.1f} {middle - 4}v8" stroke="{INK}" fill="none"/>',
            f'<text x="{most + 8:.1f}" y="{middle + 4}">{escape(text)}</text>']


def chart(result):
    parts, y = [], 44
    units = list(dict.fromkeys(figure['unit'] for figure in result['figures']))
    for unit in units:
        figures = [figure for figure in result['figures'] if figure['unit'] == unit]
        most = max(max(figure['most'] for figure in figures), 1e-9)
        for figure in figures:
            parts += bar(figure, y, WIDTH / most)
            y += BAR + GAP
        y += GAP
    head = f"{result['name']}: {result['what']}"
    width = LEFT + WIDTH + RIGHT
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 8}" viewBox="0 0 {width} {y + 8}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}" role="img" aria-label="{escape(head, quote=True)}">',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        f'<text x="16" y="24" font-size="14" font-weight="600">{escape(head)}</text>', *parts, '</svg>', ''])
