"""The birds of the guide, and the functions that look them up. Nothing here knows that there is a web."""

from __future__ import annotations

from dataclasses import dataclass

#: the sizes that a bird can have, and what they mean
SIZES = {"small": "up to 15 cm", "medium": "16 to 30 cm", "large": "over 30 cm"}


@dataclass(frozen=True)
class Bird:
    """A kind of bird, as one meets it in a garden."""

    name: str
    latin: str
    #: centimetres from the tip of the bill to the end of the tail
    length: int
    looks: str
    food: str
    voice: str

    @property
    def slug(self) -> str:
        """The name as it stands in an address."""
        return self.name.lower().replace(" ", "-")

    @property
    def size(self) -> str:
        """One of :data:`SIZES`."""
        if self.length <= 15:
            return "small"
        return "medium" if self.length <= 30 else "large"

    def is_called(self, part: str) -> bool:
        """True if *part* occurs in the English or the Latin name, in upper or lower case."""
        wanted = part.casefold()
        return wanted in self.name.casefold() or wanted in self.latin.casefold()


#: all birds, by name
BIRDS = (
    Bird(
        name="Blackbird",
        latin="Turdus merula",
        length=25,
        looks="The male is black, with a yellow bill and a yellow ring around the eye. The female is dark brown.",
        food="Worms pulled out of the lawn, insects, berries and fallen apples.",
        voice="A slow, fluting song from a roof or a tree top, early and late in the day; a loud rattle in alarm.",
    ),
    Bird(
        name="Blue tit",
        latin="Cyanistes caeruleus",
        length=12,
        looks="A blue cap, white cheeks with a dark line through the eye, and a yellow front.",
        food="Caterpillars and other insects in summer, seeds and nuts in winter, often hanging upside down.",
        voice="High, thin notes that end in a quick trill.",
    ),
    Bird(
        name="Collared dove",
        latin="Streptopelia decaocto",
        length=32,
        looks="Pale and slender, a sandy grey, with a thin black half ring at the back of the neck.",
        food="Grain and seeds, picked from the ground or from a bird table.",
        voice="Three coos, the middle one the longest, over and over again.",
    ),
    Bird(
        name="Goldfinch",
        latin="Carduelis carduelis",
        length=12,
        looks="A red face beside white and black, and a broad golden band on black wings.",
        food="Small seeds, above all those of thistles and teasels, pulled out with its pointed bill.",
        voice="A light, tinkling twitter, also in flight.",
    ),
    Bird(
        name="Great spotted woodpecker",
        latin="Dendrocopos major",
        length=23,
        looks="Black and white, with a large white patch on each shoulder and red under the tail.",
        food="Insects and their grubs, chiselled out of dead wood; seeds of conifers; nuts and fat from a feeder.",
        voice="A sharp, single call. In spring it drums: a burst of very fast blows of the bill on a hollow branch.",
    ),
    Bird(
        name="Great tit",
        latin="Parus major",
        length=14,
        looks="A black head with white cheeks, and a black stripe down the middle of a yellow front.",
        food="Caterpillars, spiders and beetles; seeds and nuts, held down with a foot and hammered open.",
        voice="Two notes in turn, a high and a low one, like a squeaking pump.",
    ),
    Bird(
        name="House sparrow",
        latin="Passer domesticus",
        length=15,
        looks="Brown with dark streaks. The male has a grey crown and a black bib, the female a plain, pale front.",
        food="Seeds and crumbs; the young are fed on insects.",
        voice="A chirp, often from a hedge that is full of sparrows.",
    ),
    Bird(
        name="Magpie",
        latin="Pica pica",
        length=45,
        looks="Black and white with a very long tail. In the sun the black shines green, blue and purple.",
        food="Nearly everything: insects, fruit, scraps, dead animals, and the eggs and young of other birds.",
        voice="A hard, fast chatter.",
    ),
    Bird(
        name="Robin",
        latin="Erithacus rubecula",
        length=14,
        looks="An orange face and breast, a brown back, and large dark eyes. Young birds are brown with pale spots.",
        food="Insects and worms, often beside somebody who digs; berries and soft fruit in winter.",
        voice="A clear song that runs down like water, in winter too; a hard ticking when disturbed.",
    ),
    Bird(
        name="Starling",
        latin="Sturnus vulgaris",
        length=21,
        looks="Black with a gloss of green and purple, covered in pale spots in winter. The tail is short.",
        food="Grubs that live in the grass, insects, berries, and whatever there is at a feeder.",
        voice="Whistles, clicks and creaks, and good copies of other birds.",
    ),
    Bird(
        name="Woodpigeon",
        latin="Columba palumbus",
        length=41,
        looks="Grey and heavy, with a pink breast, a white patch at the neck and a white bar on each wing.",
        food="Leaves, buds, grain, berries and acorns.",
        voice="A deep, husky coo of five notes. The wings clap when it flies up.",
    ),
    Bird(
        name="Wren",
        latin="Troglodytes troglodytes",
        length=10,
        looks="Tiny, round and brown, with fine dark bars and a short tail that is mostly held upright.",
        food="Insects and spiders, found in low and dense places.",
        voice="A song with a long trill in it, astonishingly loud for so small a bird.",
    ),
)

_BY_SLUG = {bird.slug: bird for bird in BIRDS}


def find_bird(slug: str) -> Bird | None:
    """The bird with this name in its address, or None."""
    return _BY_SLUG.get(slug)


def find_birds(name: str = "", size: str = "") -> list[Bird]:
    """The birds with *name* somewhere in their English or Latin name, and of this size; empty stands for any."""
    return [bird for bird in BIRDS if bird.is_called(name) and size in ("", bird.size)]


def neighbours(bird: Bird) -> tuple[Bird | None, Bird | None]:
    """The birds before and after this one in the guide; None at either end."""
    place = BIRDS.index(bird)
    before = BIRDS[place - 1] if place > 0 else None
    after = BIRDS[place + 1] if place + 1 < len(BIRDS) else None
    return before, after
