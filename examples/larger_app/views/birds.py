"""The guide itself: the list of birds, and the page of each."""

from __future__ import annotations

from examples.larger_app import app
from examples.larger_app.catalogue import SIZES, find_bird, find_birds, neighbours
from flask_embed import abort, render_template, request

#: characters that may be searched for
LONGEST = 40


@app.route("/birds/")
def show_birds() -> str | tuple[str, int]:
    """The birds, all of them or those that were searched for."""
    name = request.args.get("name", "").strip()
    size = request.args.get("size", "")
    if size and size not in SIZES:
        abort(400, f"A bird of this guide is {', '.join(SIZES)}: there is no other size.")
    if len(name) > LONGEST:
        error = f"That is {len(name)} characters long; a name to search for has up to {LONGEST}."
        return render_template("birds/list.html", sizes=SIZES, name=name, size=size, error=error), 400
    birds = find_birds(name, size)
    return render_template("birds/list.html", sizes=SIZES, name=name, size=size, birds=birds)


@app.route("/birds/<slug>")
def show_bird(slug: str) -> str:
    """The page of one bird, with its neighbours in the guide."""
    bird = find_bird(slug)
    if bird is None:
        abort(404, "There is no such bird in this guide.")
    before, after = neighbours(bird)
    return render_template("birds/bird.html", sizes=SIZES, bird=bird, before=before, after=after)
