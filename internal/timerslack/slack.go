package timerslack

import "C" // the constructor in slack.c
