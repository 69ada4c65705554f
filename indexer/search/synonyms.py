"""Everyday words that stand for one another. Add a line where a search missed a photo.

"a, b, c" are the same thing: each finds the others. "general > special, special" finds one way only: who looks for an
animal wants the dogs, who looks for a dog doesn't want every animal. Words are in their basic form; plurals and verb
forms come by themselves (`indexer.search.stems`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from indexer.search.stems import stem

_TABLE = """
couch, sofa, settee
kid, child
child > toddler, baby, boy, girl
kid > toddler, baby, boy, girl
toddler > child, baby
baby, infant, newborn
boy > lad
girl > lass
people > man, woman, child, crowd, group
man, guy, gentleman
woman, lady
person > man, woman, boy, girl
mum, mom, mother, mummy
dad, father, daddy
grandma, grandmother, granny
grandpa, grandfather, grandad
bike, bicycle
bike > motorcycle
cyclist, biker, bicyclist
motorcycle, motorbike
car, automobile
car > suv, sedan, taxi
vehicle > car, truck, bus, van, motorcycle, bicycle, train
truck, lorry
bus, coach
train, railway
plane, airplane, aeroplane, aircraft, jet
boat, ship
boat > sailboat, canoe, kayak, rowboat, ferry
ship > boat
seaside > beach, shore, coast, sea, ocean
beach > shore, seaside, sand
shore, coast, seashore
sea, ocean
water > sea, ocean, lake, river, pool
lake > pond
river, stream, creek
mountain, peak
mountain > hill
forest, wood
forest > tree
countryside > field, meadow, farm, hill
field, meadow
garden, yard, backyard
flower > rose, tulip, sunflower, daisy, blossom
plant > flower, tree, bush
street, road
path, trail, footpath
pavement, sidewalk
city, town
city > street, building, skyscraper, downtown
house, home
building > house, tower, church, skyscraper
church, cathedral, chapel
shop, store
animal > dog, cat, horse, cow, sheep, bird, elephant, zebra, giraffe, bear
pet > dog, cat, rabbit, hamster
dog, doggy
dog > puppy, hound
puppy > dog
cat, kitty
cat > kitten
kitten > cat
horse > pony, foal
cow, cattle
cow > bull, calf
bird > seagull, duck, pigeon, parrot, eagle, owl
seagull, gull
rabbit, bunny
pig > piglet
sheep > lamb
bug, insect
insect > bee, butterfly, ladybird, beetle
food > meal, pizza, cake, sandwich, salad, fruit, soup, burger
meal, dinner, lunch, breakfast
fruit > apple, banana, orange, strawberry, grape, pear
sweets, candy
dessert > cake, pie, pudding
burger, hamburger
fries, chips
ice > icecream
drink > coffee, tea, beer, wine, juice
cup, mug
fridge, refrigerator
tv, television
phone, cellphone, smartphone, telephone
laptop, notebook
computer > laptop
photo, picture, photograph
happy > smiling, laughing
smile, grin
laugh > giggle
sad > crying
cry, weep
sport > football, soccer, tennis, baseball, basketball, skiing, surfing, rugby, hockey
football, soccer
ball > football, basketball, baseball
ski > skier
skier > ski
surf > surfer, surfboard
surfer > surf, surfboard
skate > skateboard, skater
skateboard > skater, skateboarder
swim > swimmer, swimming, pool
run > jog, runner
jog > run
jump, leap, hop
climb > climber
hike > hiker, trek, walk
walk, stroll
ride > rider
sleep, nap
sleep > asleep
eat > dine
cook > chef, kitchen
party, celebration
party > birthday, wedding
celebration > party, birthday, wedding
birthday > cake
wedding > bride, groom
christmas, xmas
holiday, vacation
trip, journey
night > dark
sunset, dusk, sundown
sunrise, dawn, sunup
snow > snowy
winter > snow
rain > rainy, umbrella
rainy > rain
hat, cap
coat, jacket
trousers, pants
jeans > denim
jumper, sweater, pullover
dress, gown
glasses, spectacles, eyeglasses
sunglasses, shades
shoe > sneaker, boot, sandal
sneaker, trainer
costume > fancy
swimsuit, bikini, swimwear
bag > backpack, handbag, purse, suitcase
backpack, rucksack
suitcase, luggage
pram, stroller, pushchair
toy > doll, teddy, lego
playground > swing, slide, sandpit
sandpit, sandbox
grey, gray
colourful, colorful
big, large, huge
small, little, tiny
old, elderly
young > child
rock, stone
stairs, steps, staircase
bathroom, restroom, toilet
tap, faucet
rubbish, trash, garbage
lift, elevator
aircraft > helicopter
instrument > guitar, piano, violin, drum, trumpet
music > guitar, piano, violin, drum, band, concert
musician > guitarist, singer, drummer
band > musician
firework, fireworks
"""


@lru_cache(maxsize=1)
def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for line in filter(None, _TABLE.splitlines()):
        general, arrow, special = line.partition(" > ")
        group = [word.strip() for word in (special if arrow else line).split(",")]
        for word in [general] if arrow else group:
            table.setdefault(stem(word), []).extend(other for other in group if other != word)
    return {word: tuple(dict.fromkeys(others)) for word, others in table.items()}


def synonyms(word: str) -> tuple[str, ...]:
    """Words, in their basic form, that a search for the folded `word` looks for as well."""
    return _table().get(stem(word), ())


def synonym_table() -> dict[str, tuple[str, ...]]:
    """`synonyms` of every word that has any, as it is written here and in its basic form."""
    named = re.findall(r"[^\W_]+", _TABLE)
    return {word: synonyms(word) for word in sorted({*named, *map(stem, named)}) if synonyms(word)}
