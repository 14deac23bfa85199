"""A short demonstration, from a server to files: what ``hsframe demo --once --out DIR`` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from hsframe.errors import MetadataError

_FILTER: Final = 'point and his and sensor and tz == "New_York" and (air and temp or co2 or elec)'


def demo_once(out: Path) -> int:
    """Serve the demo building on a free port of this machine, read a week of it, write ``trends.parquet`` and a plot.

    Returns 0; without matplotlib, which draws the plot, 1, and nothing is written.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        print("hsframe demo --once draws a plot, which needs matplotlib: pip install hsframe[demo]", file=sys.stderr)
        return 1
    mpl.use("Agg")
    from matplotlib import pyplot

    from hsframe.analysis.plot import plot  # df.hs.plot, with types
    from hsframe.frame.parquet import write_parquet
    from hsframe.frame.whole_file import advised, whole_file
    from hsframe.session import connect
    from hsframe.testing.server import running_server

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MetadataError(f"the folder {out} cannot be made: {advised(error)}") from error
    with running_server() as server, connect(server.uri, server.user, server.password) as session:
        print(f"a demo building is served at {server.uri}")
        points = session.read(_FILTER)
        print(
            f"\n{_FILTER}\nfinds {len(points)} of its points:\n{points[['id', 'dis', 'unit']].to_string(index=False)}"
        )
        df = session.his_read(points, "-7d")
    # By id: the display names of seven columns side by side fit no terminal, and pandas would leave five of them out.
    short = df.set_axis(list(df.hs.points["id"]), axis=1)
    print(f"\ntheir last seven days:\n{short.to_string(max_rows=10, show_dimensions=True)}\n\nunits:")
    print("\n".join(f"  {label}: {unit}" for label, unit in df.hs.units.items()))
    write_parquet(df, out / "trends.parquet")
    figure = plot(df, figsize=(11.0, 8.0))[0].figure
    with whole_file(out / "trends.png") as file:
        figure.savefig(file, format="png", dpi=110)
    pyplot.close(figure)
    print(f"\nwrote {out / 'trends.parquet'} and {out / 'trends.png'}")
    return 0
